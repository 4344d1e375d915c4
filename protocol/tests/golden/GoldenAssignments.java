// Writes what Kafka's own assignors decide for generated groups, for `protocol/tests/assignors.rs` to compare with.
//
// To record them again (kafka-clients 4.3.0 and its dependencies in LIBS, see CONTRIBUTING.md for how they are fetched):
//     java -cp "LIBS/*" protocol/tests/golden/GoldenAssignments.java > protocol/tests/golden/assignments.txt
//
// One group per paragraph: the assignor, the topics with their partition counts, then each member with its instance id, generation,
// subscription, owned partitions, user data in hexadecimal, and after "=" what it was assigned.
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.*;
import org.apache.kafka.common.*;

public class GoldenAssignments {
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    static class Member {
        String id;
        String instance;
        List<String> topics;
        List<TopicPartition> owned = new ArrayList<>();
        int generation = -1;
    }

    static ConsumerPartitionAssignor assignor(String name) {
        return switch (name) {
            case "range" -> new RangeAssignor();
            case "roundrobin" -> new RoundRobinAssignor();
            case "sticky" -> new StickyAssignor();
            default -> new CooperativeStickyAssignor();
        };
    }

    public static void main(String[] args) {
        for (String name : List.of("range", "roundrobin", "sticky", "cooperative-sticky")) {
            int worlds = name.contains("sticky") ? 30 : 6;
            for (int seed = 0; seed < worlds; seed++) evolve(name, new Random(seed));
        }
    }

    /** A group over some generations, in which members come, go, forget, and change their minds, and topics grow. */
    static void evolve(String name, Random random) {
        Map<String, Integer> topics = new TreeMap<>();
        for (int i = 0; i < 1 + random.nextInt(4); i++) topics.put("topic" + i, 1 + random.nextInt(7));
        boolean isUniform = random.nextBoolean();
        List<Member> members = new ArrayList<>();
        int serial = 0;
        for (int i = 0; i < 1 + random.nextInt(5); i++) members.add(member(serial++, topics, isUniform, random));
        for (int generation = 1; generation <= 6; generation++) {
            Map<String, List<TopicPartition>> assigned = assign(name, topics, members);
            for (Member member : members) {
                // Some miss the rebalance and come back with what they had before.
                if (generation > 2 && random.nextInt(6) == 0) continue;
                member.owned = new ArrayList<>(assigned.get(member.id));
                member.generation = generation;
            }
            switch (random.nextInt(5)) {
                case 0 -> { if (members.size() > 1) members.remove(random.nextInt(members.size())); }
                case 1 -> members.add(random.nextInt(members.size() + 1), member(serial++, topics, isUniform, random));
                case 2 -> topics.computeIfPresent("topic0", (topic, count) -> count + 1 + random.nextInt(3));
                case 3 -> {
                    if (isUniform) {
                        topics.put("topic" + topics.size(), 1 + random.nextInt(5));
                        for (Member member : members) member.topics = new ArrayList<>(topics.keySet());
                    } else {
                        Member changed = members.get(random.nextInt(members.size()));
                        changed.topics = subscription(topics, false, random);
                        // As the consumer does before it joins.
                        changed.owned.removeIf(tp -> !changed.topics.contains(tp.topic()));
                    }
                }
                default -> { }
            }
        }
    }

    static Member member(int serial, Map<String, Integer> topics, boolean isUniform, Random random) {
        Member member = new Member();
        member.id = "consumer-" + serial + "-" + new UUID(random.nextLong(), random.nextLong());
        member.instance = random.nextInt(4) == 0 ? "instance-" + random.nextInt(1000) + "-" + serial : null;
        member.topics = subscription(topics, isUniform, random);
        return member;
    }

    static List<String> subscription(Map<String, Integer> topics, boolean isUniform, Random random) {
        List<String> all = new ArrayList<>(topics.keySet());
        if (isUniform) return all;
        List<String> some = all.stream().filter(topic -> random.nextInt(3) > 0).collect(Collectors.toList());
        return some.isEmpty() ? new ArrayList<>(List.of(all.get(random.nextInt(all.size())))) : some;
    }

    static Map<String, List<TopicPartition>> assign(String name, Map<String, Integer> topics, List<Member> members) {
        Node node = new Node(0, "localhost", 9092);
        List<PartitionInfo> partitions = new ArrayList<>();
        topics.forEach((topic, count) -> {
            for (int i = 0; i < count; i++)
                partitions.add(new PartitionInfo(topic, i, node, new Node[] {node}, new Node[] {node}));
        });
        Cluster cluster = new Cluster("cluster", List.of(node), partitions, Set.of(), Set.of());
        // The map that ConsumerCoordinator makes of the answer to JoinGroup.
        Map<String, Subscription> subscriptions = new HashMap<>();
        Map<String, ByteBuffer> userData = new HashMap<>();
        for (Member member : members) {
            ConsumerPartitionAssignor own = assignor(name);
            if (member.generation >= 0)
                own.onAssignment(new Assignment(member.owned), new ConsumerGroupMetadata("group", member.generation, member.id, Optional.empty()));
            ByteBuffer data = own.subscriptionUserData(new TreeSet<>(member.topics));
            userData.put(member.id, data);
            List<TopicPartition> owned = name.equals("cooperative-sticky") ? member.owned : List.of();
            Subscription subscription =
                new Subscription(member.topics, data == null ? null : data.duplicate(), owned, member.generation, Optional.empty());
            subscription.setGroupInstanceId(Optional.ofNullable(member.instance));
            subscriptions.put(member.id, subscription);
        }
        Map<String, Assignment> assigned = assignor(name).assign(cluster, new GroupSubscription(subscriptions)).groupAssignment();
        OUT.println(name + " " + topics.entrySet().stream().map(e -> e.getKey() + ":" + e.getValue()).collect(Collectors.joining(",")));
        Map<String, List<TopicPartition>> result = new HashMap<>();
        for (Member member : members) {
            List<TopicPartition> owned = name.equals("cooperative-sticky") ? member.owned : List.of();
            List<TopicPartition> got = assigned.get(member.id).partitions();
            result.put(member.id, got);
            OUT.println(member.id + " " + (member.instance == null ? "-" : member.instance) + " " + member.generation + " "
                + String.join(",", member.topics) + " " + list(owned) + " " + hex(userData.get(member.id)) + " = " + list(got));
        }
        OUT.println();
        return result;
    }

    static String list(List<TopicPartition> partitions) {
        return partitions.isEmpty() ? "-" : partitions.stream()
            .sorted(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition))
            .map(tp -> tp.topic() + ":" + tp.partition()).collect(Collectors.joining(","));
    }

    static String hex(ByteBuffer data) {
        if (data == null) return "-";
        StringBuilder text = new StringBuilder();
        for (ByteBuffer rest = data.duplicate(); rest.hasRemaining();) text.append(String.format("%02x", rest.get()));
        return text.toString();
    }
}
