// Writes the record batches of this folder with Kafka's own client library, for `protocol/tests/golden.rs` to read.
//
// To record them again (kafka-clients 4.3.0 and its dependencies in LIBS, see CONTRIBUTING.md for how they are fetched):
//     java -cp "LIBS/*" protocol/tests/golden/GoldenBatches.java protocol/tests/golden
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.internal.*;

public class GoldenBatches {
    static Path folder;

    public static void main(String[] args) throws Exception {
        folder = Path.of(args[0]);
        for (CompressionType type : CompressionType.values()) {
            // 200 records with keys, values of repeating text, and headers on some: more than one block of each codec.
            ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
            MemoryRecordsBuilder builder = MemoryRecords.builder(buffer, RecordBatch.MAGIC_VALUE_V2, Compression.of(type).build(),
                TimestampType.CREATE_TIME, 1000L, RecordBatch.NO_TIMESTAMP, 4711L, (short) 5, 42, false, 9);
            fill(builder, RecordBatch.MAGIC_VALUE_V2);
            save("v2_" + type.name, builder.build());
            if (type == CompressionType.ZSTD) continue;
            for (byte magic : new byte[] {0, 1}) {
                builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), magic, Compression.of(type).build(),
                    TimestampType.CREATE_TIME, 1000L);
                fill(builder, magic);
                save("v" + magic + "_" + type.name, builder.build());
            }
        }
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(4096), RecordBatch.MAGIC_VALUE_V2,
            Compression.NONE, TimestampType.LOG_APPEND_TIME, 7L, 1_700_000_000_999L);
        builder.append(1_700_000_000_000L, null, "late".getBytes());
        save("v2_log_append_time", builder.build());
        save("v2_commit_marker", MemoryRecords.withEndTransactionMarker(77L, 1_700_000_000_000L, 3, 4711L, (short) 5,
            new EndTransactionMarker(ControlRecordType.COMMIT, 2)));
        ByteBuffer empty = ByteBuffer.allocate(61);
        DefaultRecordBatch.writeEmptyHeader(empty, RecordBatch.MAGIC_VALUE_V2, 4711L, (short) 5, 42, 100L, 109L, 9,
            TimestampType.CREATE_TIME, 1_700_000_000_000L, false, false);
        empty.flip();
        save("v2_compacted_to_nothing", MemoryRecords.readableRecords(empty));
    }

    static void fill(MemoryRecordsBuilder builder, byte magic) {
        for (int i = 0; i < 200; i++) {
            byte[] key = i % 3 == 0 ? null : ("key " + i).getBytes(StandardCharsets.UTF_8);
            byte[] value = i % 7 == 0 ? null : ("value " + i + " ").repeat(i % 100).getBytes(StandardCharsets.UTF_8);
            Header[] headers = new Header[] {};
            if (magic == 2 && i % 5 == 0)
                headers = new Header[] {new RecordHeader("h", "1".getBytes()), new RecordHeader("h", null), new RecordHeader("ü", new byte[0])};
            builder.append(1_700_000_000_000L + i * 10L, key, value, headers);
        }
    }

    static void save(String name, MemoryRecords records) throws Exception {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(folder.resolve(name + ".bin"), bytes);
    }
}
