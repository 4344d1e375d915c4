// Prints which metrics a Java producer, consumer and admin client have after some traffic, tab-separated and sorted: client,
// group, name, tags (names only, comma-separated). Output: ../golden/metrics.tsv.
//     java -cp "LIBS/*" ClientMetrics.java HOST:PORT > metrics.tsv
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class ClientMetrics {
    private static final TreeSet<String> LINES = new TreeSet<>();

    public static void main(String[] arguments) throws Exception {
        var topic = "client-metrics-" + System.nanoTime();
        var bootstrap = Map.<String, Object>of("bootstrap.servers", arguments[0], "client.id", "metrics");
        try (var admin = Admin.create(bootstrap)) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
            admin.describeCluster().nodes().get();
            list("admin", admin.metrics());
        }
        var serializers = with(bootstrap, "transactional.id", topic);
        try (var producer = new KafkaProducer<>(serializers, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, new byte[100])).get();
            producer.commitTransaction();
            list("producer", producer.metrics());
        }
        var group = with(with(bootstrap, "group.id", topic), "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(group, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (consumer.poll(Duration.ofMillis(100)).isEmpty()) {
                // Joins the group first.
            }
            consumer.commitSync();
            list("consumer", consumer.metrics());
        }
        LINES.forEach(System.out::println);
    }

    private static Map<String, Object> with(Map<String, Object> settings, String key, Object value) {
        var more = new java.util.HashMap<>(settings);
        more.put(key, value);
        return more;
    }

    private static void list(String client, Map<MetricName, ? extends Metric> metrics) {
        for (var name : metrics.keySet()) {
            var tags = String.join(",", new TreeSet<>(name.tags().keySet()));
            LINES.add(String.join("\t", client, name.group(), name.name(), tags));
        }
    }
}
