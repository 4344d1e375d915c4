package io.aqueduct.connect;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;

/** Records as fast as they are taken: a number of twenty digits, a blank, filler (connectors/datagen/src/generate.rs). */
public class DatagenSourceTask extends SourceTask {
    private static final int NUMBER_DIGITS = 20;

    private String topic;
    private long records;
    private int batchSize;
    private byte[] line;
    private long next;

    @Override
    public void start(Map<String, String> props) {
        topic = props.get("topic");
        records = Long.parseLong(props.get("records"));
        batchSize = Integer.parseInt(props.getOrDefault("batch.size", "2000"));
        line = new byte[Integer.parseInt(props.getOrDefault("record.bytes", "100"))];
        line[NUMBER_DIGITS] = ' ';
        for (int at = NUMBER_DIGITS + 1; at < line.length; at++) {
            line[at] = (byte) ('a' + (at - NUMBER_DIGITS - 1) * 7 % 26);
        }
    }

    @Override
    public List<SourceRecord> poll() throws InterruptedException {
        int count = (int) Math.min(batchSize, records - next);
        if (count == 0) {
            Thread.sleep(100);
            return null;
        }
        List<SourceRecord> batch = new ArrayList<>(count);
        Map<String, ?> partition = Collections.singletonMap("task", 0L);
        for (int row = 0; row < count; row++) {
            long digits = next++;
            for (int at = NUMBER_DIGITS - 1; at >= 0; at--) {
                line[at] = (byte) ('0' + digits % 10);
                digits /= 10;
            }
            String text = new String(line, StandardCharsets.ISO_8859_1);
            Map<String, ?> offset = Collections.singletonMap("record", next);
            batch.add(new SourceRecord(partition, offset, topic, Schema.STRING_SCHEMA, text));
        }
        return batch;
    }

    @Override
    public void stop() {
    }

    @Override
    public String version() {
        return "1";
    }
}
