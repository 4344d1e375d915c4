// Measures converters and transforms of Kafka Connect on the records and cases that benches/stages_compared wrote.
//
// Arguments: the folder with them. Prints one line for each case: its name and ns of CPU of the thread per record, the median of rounds
// after a warm-up of some seconds.

import java.io.DataInputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.transforms.Transformation;

final class Stages {
    private static final long WARM_UP_NS = 1_500_000_000L;
    private static final long ROUND_NS = 50_000_000L;
    private static final int ROUNDS = 11;
    private static final String TOPIC = "orders-12";
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    /** What was made last, so that no compiler leaves it out. */
    private static volatile Object sink;

    interface Work {
        Object on(int row);
    }

    public static void main(String[] arguments) throws Exception {
        Path dir = Path.of(arguments[0]);
        for (String line : Files.readAllLines(dir.resolve("cases"))) {
            String[] parts = line.split("\t");
            List<byte[]> records = records(dir.resolve(parts[2]));
            System.out.printf("case\t%s\t%.2f%n", parts[1], measure(records.size(), work(parts, records)));
        }
    }

    private static Work work(String[] parts, List<byte[]> records) throws ReflectiveOperationException {
        Converter reader = converter(parts[3]);
        Converter writer = converter(parts[3]);
        List<Transformation<SinkRecord>> chain = new ArrayList<>();
        for (int i = 4; i < parts.length; i++) {
            chain.add(transformation(parts[i]));
        }
        List<SinkRecord> read = new ArrayList<>();
        for (byte[] record : records) {
            read.add(record(read.size(), reader.toConnectData(TOPIC, record)));
        }
        switch (parts[0]) {
            case "read":
                return row -> reader.toConnectData(TOPIC, records.get(row));
            case "write":
                return row -> writer.fromConnectData(TOPIC, read.get(row).valueSchema(), read.get(row).value());
            case "transform":
                return row -> apply(chain, read.get(row));
            default:
                return row -> {
                    SinkRecord made = apply(chain, record(row, reader.toConnectData(TOPIC, records.get(row))));
                    return writer.fromConnectData(made.topic(), made.valueSchema(), made.value());
                };
        }
    }

    private static SinkRecord apply(List<Transformation<SinkRecord>> chain, SinkRecord record) {
        SinkRecord made = record;
        for (Transformation<SinkRecord> transformation : chain) {
            made = transformation.apply(made);
        }
        return made;
    }

    private static SinkRecord record(int row, SchemaAndValue value) {
        return new SinkRecord(TOPIC, 0, null, null, value.schema(), value.value(), row, (long) row, TimestampType.CREATE_TIME);
    }

    private static double measure(int rows, Work work) {
        long end = System.nanoTime() + WARM_UP_NS;
        while (System.nanoTime() < end) {
            batch(rows, work);
        }
        double[] rounds = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            long start = THREADS.getCurrentThreadCpuTime();
            long spent = 0;
            long batches = 0;
            while (spent < ROUND_NS) {
                batch(rows, work);
                batches++;
                spent = THREADS.getCurrentThreadCpuTime() - start;
            }
            rounds[round] = (double) spent / (batches * rows);
        }
        Arrays.sort(rounds);
        return rounds[ROUNDS / 2];
    }

    private static void batch(int rows, Work work) {
        for (int row = 0; row < rows; row++) {
            sink = work.on(row);
        }
    }

    private static List<byte[]> records(Path file) throws IOException {
        List<byte[]> records = new ArrayList<>();
        try (DataInputStream in = new DataInputStream(Files.newInputStream(file))) {
            while (in.available() > 0) {
                byte[] record = new byte[in.readInt()];
                in.readFully(record);
                records.add(record);
            }
        }
        return records;
    }

    private static Converter converter(String stage) throws ReflectiveOperationException {
        Converter converter = (Converter) instance(stage);
        converter.configure(settings(stage), false);
        return converter;
    }

    @SuppressWarnings("unchecked")
    private static Transformation<SinkRecord> transformation(String stage) throws ReflectiveOperationException {
        Transformation<SinkRecord> transformation = (Transformation<SinkRecord>) instance(stage);
        transformation.configure(settings(stage));
        return transformation;
    }

    private static Object instance(String stage) throws ReflectiveOperationException {
        return Class.forName(stage.substring(0, stage.indexOf('\u001e'))).getDeclaredConstructor().newInstance();
    }

    private static Map<String, String> settings(String stage) {
        Map<String, String> settings = new HashMap<>();
        for (String setting : stage.substring(stage.indexOf('\u001e') + 1).split("\u001f")) {
            int equals = setting.indexOf('=');
            if (equals > 0) {
                settings.put(setting.substring(0, equals), setting.substring(equals + 1));
            }
        }
        return settings;
    }
}
