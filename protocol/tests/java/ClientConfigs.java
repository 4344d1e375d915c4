// What Kafka's own clients say of their configuration, for `protocol/tests/client_properties.rs`. Output: golden/client_configs.tsv.
//
//     java -cp "LIBS/*" ClientConfigs.java > client_configs.tsv
//
// Three kinds of rows, tab-separated, with backslash, tab and line feed escaped:
//     key    CLIENT NAME TYPE DEFAULT VALID IMPORTANCE     in order of definition; DEFAULT is "required", "null" or "=VALUE"
//     value  CLIENT NAME VALUE ANSWER                      ANSWER is "=VALUE" as it was parsed, or the error's message
//     props  CLIENT NAME=VALUE&... ANSWER WARNING...       ANSWER is "ok", or the message of the error of the client's constructor
import java.util.*;
import java.util.regex.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.config.*;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.serialization.*;
import org.apache.logging.log4j.*;
import org.apache.logging.log4j.core.*;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.logging.log4j.core.config.Property;

public class ClientConfigs {
    /** Never resolved: nothing is sent before a client is used, and none is. */
    static final String SERVERS = "127.0.0.1:1";
    static final Set<Type> typesDone = new HashSet<>();
    static final List<String> warnings = Collections.synchronizedList(new ArrayList<>());

    public static void main(String[] args) {
        listen();
        Map<String, ConfigDef> tables = new LinkedHashMap<>();
        tables.put("producer", ProducerConfig.configDef());
        tables.put("consumer", ConsumerConfig.configDef());
        tables.put("admin", AdminClientConfig.configDef());
        tables.forEach((client, table) -> table.configKeys().values().forEach(key -> key(client, key)));
        Set<String> done = new HashSet<>();
        tables.forEach((client, table) -> table.configKeys().values().forEach(key -> {
            // What two clients define alike is asked once.
            if (done.add(key.name + key.defaultValue + key.validator + (key.validator == null ? "" : key.validator.getClass())))
                for (String value : values(key)) value(client, table, key, value);
        }));
        combinations();
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    static void key(String client, ConfigDef.ConfigKey key) {
        String value = !key.hasDefault() ? "required"
            : key.defaultValue == null ? "null" : "=" + ConfigDef.convertToString(key.defaultValue, key.type);
        // Java prints lists of classes and classes differently; both are names here.
        row("key", client, key.name, key.type.toString(), value.replace("class ", ""), String.valueOf(key.validator),
            key.importance.toString());
    }

    /** Edge cases of the key's type, and of its range where it has one. */
    static Set<String> values(ConfigDef.ConfigKey key) {
        Set<String> values = new LinkedHashSet<>();
        String valid = String.valueOf(key.validator);
        switch (key.type) {
            case BOOLEAN -> values.addAll(List.of("TRUE", " true ", "False", "yes", ""));
            case SHORT, INT, LONG -> {
                values.addAll(List.of("", " 7 ", "-1", "x", "2147483648"));
                // What depends on the type alone is asked of one key of each type.
                if (typesDone.add(key.type)) values.addAll(List.of("+5", "-5", "0", "1.5", "7L", "+-1", "0x10", "1_000", "32768", "1e3",
                    "99999999999999999999", "9223372036854775807", "-9223372036854775808", "- 1", "007", "-0", "\u00a07", "\t7\n", "+", "-"));
            }
            case DOUBLE -> values.addAll(List.of("", "0.7", " 0.1 ", "1", "-1", "x", ".25", "5e-1", "0.75f", "0.5,", "NaN", "1e10", "inf"));
            case STRING -> {
                values.addAll(List.of("", " x "));
                if (valid.startsWith("[") || valid.startsWith("(")) {
                    for (String word : valid.replaceAll("\\(.*\\) ?|[\\[\\]]", "").split(", ")) {
                        values.add(word);
                        values.add(" " + word.toUpperCase(Locale.ROOT));
                        values.add(word.toLowerCase(Locale.ROOT));
                    }
                    values.addAll(List.of("SASL", "all,all"));
                }
                if (key.name.equals("auto.offset.reset")) values.addAll(List.of("by_duration", "by_duration:", "by_duration:P1D",
                    "by_duration:pt1h", "by_duration:PT1.5S", "by_duration:-PT1H", "by_duration:PT1M1H", "by_duration:PT-1S",
                    "by_duration:1H", "by_duration:PT", "by_duration:PT0S", "by_durationPT1H", "by_duration:P1Y"));
            }
            case LIST -> values.addAll(List.of("", " ", "a", " a , b ", "a,,b", ",", "a,", "a,a", "a, a", "A,a", "b,a,b", "a\t,\n b"));
            case PASSWORD -> values.addAll(List.of("", " x "));
            // Java loads the class; there is nothing to compare.
            case CLASS -> { }
        }
        // Names of providers are looked up at once.
        if (key.name.equals("config.providers")) values.clear();
        Matcher range = Pattern.compile("\\[(-?[0-9.]+),\\.\\.\\.(?:,(-?[0-9.]+))?\\].*").matcher(valid);
        if (range.matches()) {
            boolean isDouble = key.type == Type.DOUBLE;
            for (String bound : new String[] {range.group(1), range.group(2)}) {
                if (bound == null) continue;
                values.add(bound);
                for (int step : new int[] {-1, 1})
                    values.add(isDouble ? String.valueOf(Double.parseDouble(bound) + step) : String.valueOf(Long.parseLong(bound) + step));
            }
        }
        return values;
    }

    static void value(String client, ConfigDef table, ConfigDef.ConfigKey key, String value) {
        String answer;
        try {
            Map<String, Object> props = base(client);
            props.put(key.name, value);
            answer = "=" + ConfigDef.convertToString(table.parse(props).get(key.name), key.type);
        } catch (ConfigException error) {
            answer = error.getMessage();
        }
        row("value", client, key.name, value, answer);
    }

    /** What depends on more than one key, and what Java says beside its answer. */
    static void combinations() {
        for (String props : new String[] {
            "", "acks=1", "acks=1&enable.idempotence=true", "acks=0&enable.idempotence=false", "acks=ALL", "acks= all ",
            "retries=0", "retries=0&enable.idempotence=true", "max.in.flight.requests.per.connection=6",
            "max.in.flight.requests.per.connection=6&acks=1", "max.in.flight.requests.per.connection=6&enable.idempotence=false",
            "transactional.id=t", "transactional.id=t&acks=1", "transactional.id=t&enable.idempotence=false", "transactional.id=",
            "transactional.id= ", "transactional.id=t&retries=0", "transaction.timeout.ms=-5", "transaction.timeout.ms=-5&transactional.id=t",
            "delivery.timeout.ms=1", "delivery.timeout.ms=30004", "delivery.timeout.ms=30005", "linger.ms=200000",
            "linger.ms=9223372036854775807", "linger.ms=200000&delivery.timeout.ms=2147483647", "request.timeout.ms=200000",
            "linger.ms=9223372036854775807&delivery.timeout.ms=2147483647",
            "acks=1&enable.idempotence=true&delivery.timeout.ms=1",
            "batch.size=0", "buffer.memory=0", "max.request.size=0", "max.block.ms=9223372036854775807",
            "compression.gzip.level=0", "compression.type=zstd&compression.lz4.level=18",
            "linger.ms=x&acks=2", "acks=2&linger.ms=x", "no.such.key=1&another=2"}) props("producer", props);
        for (String props : new String[] {
            "", "group.id=g", "group.id=", "enable.auto.commit=true", "enable.auto.commit=true&group.id=g", "enable.auto.commit=false",
            "heartbeat.interval.ms=45000&group.id=g", "heartbeat.interval.ms=44999&group.id=g", "heartbeat.interval.ms=45000",
            "session.timeout.ms=3000&group.id=g", "group.instance.id=", "group.instance.id=i&group.id=g", "group.instance.id=a b&group.id=g",
            "group.instance.id=a b&group.id=g&client.id=c", "group.instance.id=.&group.id=g", "group.instance.id=..&group.id=g",
            "group.instance.id=" + "i".repeat(250), "group.instance.id=" + "i".repeat(249), "group.id= ", "group.remote.assignor=uniform",
            "group.remote.assignor=", "group.protocol=consumer&group.id=g&session.timeout.ms=45000",
            "group.protocol=consumer&group.id=g&heartbeat.interval.ms=1&partition.assignment.strategy=x",
            "partition.assignment.strategy=", "partition.assignment.strategy=&group.id=g", "group.protocol=CLASSIC",
            "max.poll.interval.ms=0", "max.poll.records=0", "fetch.max.wait.ms=40000", "fetch.min.bytes=2&fetch.max.bytes=1",
            "isolation.level=READ_COMMITTED", "request.timeout.ms=70000", "share.acquire.mode=x", "no.such.key=1"}) props("consumer", props);
        for (String props : new String[] {
            "", "retries=0", "default.api.timeout.ms=10", "default.api.timeout.ms=10&request.timeout.ms=20",
            "default.api.timeout.ms=10&request.timeout.ms=10", "request.timeout.ms=70000", "bootstrap.servers=",
            "bootstrap.servers=&bootstrap.controllers=", "bootstrap.controllers=127.0.0.1:1", "no.such.key=1"}) props("admin", props);
        for (String props : new String[] {
            "bootstrap.servers=", "bootstrap.servers=a", "bootstrap.servers=127.0.0.1:x", "bootstrap.servers=127.0.0.1:70000",
            "bootstrap.servers=127.0.0.1:1,127.0.0.1:1", "bootstrap.servers=127.0.0.1:1,", "bootstrap.servers=,",
            "bootstrap.servers=PLAINTEXT://127.0.0.1:1", "bootstrap.servers=[::1]:1", "bootstrap.servers=::1:1",
            "bootstrap.servers=127.0.0.1:0", "bootstrap.servers=127.0.0.1:1 127.0.0.1:2", "bootstrap.servers=127.0.0.1:99999999999",
            "bootstrap.servers= 127.0.0.1:1 , 127.0.0.1:2 ", "bootstrap.servers=127.0.0.1:-1", "bootstrap.servers=http://127.0.0.1",
            "bootstrap.servers=PLAINTEXT://[::1]:1", "bootstrap.servers=a!b:1", "bootstrap.servers=127.0.0.1:65536",
            "retry.backoff.ms=2000", "retry.backoff.ms=2000&retry.backoff.max.ms=3000", "retry.backoff.max.ms=1", "retry.backoff.ms=0",
            "reconnect.backoff.ms=7", "reconnect.backoff.ms=7&reconnect.backoff.max.ms=9", "reconnect.backoff.max.ms=9",
            "reconnect.backoff.ms=9&reconnect.backoff.max.ms=7", "reconnect.backoff.ms=9000",
            "socket.connection.setup.timeout.ms=40000", "socket.connection.setup.timeout.ms=-1", "socket.connection.setup.timeout.max.ms=1",
            "security.protocol=sasl_ssl&sasl.mechanism=", "security.protocol=SASL_PLAINTEXT&sasl.mechanism=", "sasl.mechanism=",
            "security.protocol=TLS", "client.id=", "client.id= c ", "send.buffer.bytes=-2", "client.dns.lookup=default",
            "metadata.recovery.strategy=None", "metadata.recovery.strategy=x"}) props("producer", props);
    }

    static void props(String client, String text) {
        Map<String, Object> props = base(client);
        for (String pair : text.isEmpty() ? new String[0] : text.split("&"))
            props.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
        props.remove("key.serializer");
        props.remove("value.serializer");
        props.remove("key.deserializer");
        props.remove("value.deserializer");
        warnings.clear();
        String answer = "ok";
        try {
            AutoCloseable opened = switch (client) {
                case "producer" -> new KafkaProducer<>(props, new ByteArraySerializer(), new ByteArraySerializer());
                case "consumer" -> new KafkaConsumer<>(props, new ByteArrayDeserializer(), new ByteArrayDeserializer());
                default -> Admin.create(props);
            };
            List<String> said = List.copyOf(warnings);
            if (opened instanceof KafkaProducer<?, ?> producer) producer.close(java.time.Duration.ZERO);
            else opened.close();
            warnings.clear();
            warnings.addAll(said);
        } catch (Exception error) {
            boolean isWrapped = String.valueOf(error.getMessage()).startsWith("Failed to ") && error.getCause() != null;
            answer = (isWrapped ? error.getCause() : error).getMessage();
            warnings.clear();
        }
        List<String> row = new ArrayList<>(List.of("props", client, text, answer));
        row.addAll(warnings);
        row(row.toArray(String[]::new));
    }

    static Map<String, Object> base(String client) {
        Map<String, Object> props = new LinkedHashMap<>();
        props.put("bootstrap.servers", SERVERS);
        String role = client.equals("producer") ? "serializer" : "deserializer";
        if (!client.equals("admin")) {
            String name = client.equals("producer") ? "ByteArraySerializer" : "ByteArrayDeserializer";
            props.put("key." + role, "org.apache.kafka.common.serialization." + name);
            props.put("value." + role, "org.apache.kafka.common.serialization." + name);
        }
        return props;
    }

    /** Keeps what the clients warn about, and the line about unknown keys, which Java thinks less of. */
    static void listen() {
        LoggerContext context = (LoggerContext) LogManager.getContext(KafkaProducer.class.getClassLoader(), false);
        AbstractAppender appender = new AbstractAppender("kept", null, null, true, Property.EMPTY_ARRAY) {
            @Override public void append(LogEvent event) {
                String line = event.getMessage().getFormattedMessage().replaceFirst("^\\[[^\\]]*\\] ", "");
                boolean isWarning = event.getLevel().isMoreSpecificThan(Level.WARN);
                boolean isOfConfig = event.getLoggerName().matches(".*(Configs?|KafkaProducer|KafkaConsumer|KafkaAdminClient|ClientUtils)");
                if (isOfConfig && (isWarning || line.startsWith("These configurations"))) warnings.add(line);
            }
        };
        appender.start();
        context.getRootLogger().getAppenders().values().forEach(context.getRootLogger()::removeAppender);
        context.getRootLogger().addAppender(appender);
        Configurator.setRootLevel(Level.INFO);
    }

    static void row(String... fields) {
        for (int i = 0; i < fields.length; i++)
            fields[i] = String.valueOf(fields[i]).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
        System.out.println(String.join("\t", fields));
    }
}
