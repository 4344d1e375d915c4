package io.aqueduct.connect;

import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/** Counts, once per batch, and tells the count of all tasks of its connector when it stops. */
public class BlackholeSinkTask extends SinkTask {
    private static final Map<String, AtomicLong> TAKEN = new ConcurrentHashMap<>();

    private String name;
    private AtomicLong taken;

    @Override
    public void start(Map<String, String> props) {
        name = props.get("name");
        taken = TAKEN.computeIfAbsent(name, any -> new AtomicLong());
    }

    @Override
    public void put(Collection<SinkRecord> records) {
        taken.addAndGet(records.size());
    }

    @Override
    public void stop() {
        System.out.println("blackhole " + name + " took " + taken + " records");
    }

    @Override
    public String version() {
        return "1";
    }
}
