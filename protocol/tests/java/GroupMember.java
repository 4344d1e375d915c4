// A member of a consumer group with Kafka's own client, for `protocol/tests/java_members.rs`.
//
//     java -cp "LIBS/*" GroupMember.java BOOTSTRAP GROUP TOPIC ASSIGNOR_CLASS
//
// Writes "owns 0,1" after each rebalance and "read PARTITION OFFSET" per record; commits what it read before partitions leave, and
// leaves the group when its standard input ends.
import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class GroupMember {
    public static void main(String[] args) throws Exception {
        Properties props = new Properties();
        props.put("bootstrap.servers", args[0]);
        props.put("group.id", args[1]);
        props.put("partition.assignment.strategy", args[3]);
        props.put("auto.offset.reset", "earliest");
        props.put("enable.auto.commit", "false");
        props.put("heartbeat.interval.ms", "100");
        props.put("session.timeout.ms", "10000");
        props.put("metadata.max.age.ms", "1000");
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(props, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(args[2]), new ConsumerRebalanceListener() {
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                    for (TopicPartition tp : partitions) offsets.put(tp, new OffsetAndMetadata(consumer.position(tp)));
                    consumer.commitSync(offsets);
                }
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) { }
            });
            String owned = null;
            while (System.in.available() == 0) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100)))
                    System.out.println("read " + record.partition() + " " + record.offset());
                String now = consumer.assignment().stream().map(tp -> tp.partition()).sorted()
                    .map(String::valueOf).collect(Collectors.joining(","));
                if (!now.equals(owned)) System.out.println("owns " + now);
                owned = now;
                System.out.flush();
            }
        }
    }
}
