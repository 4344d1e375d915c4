// Drives the real assignors of Kafka Connect through histories of clusters and writes down what each member said and was told.
//
// Arguments: the folder to write into. One line opens a history, one follows for each round of it.

package org.apache.kafka.connect.runtime.distributed;

import java.io.BufferedWriter;
import java.io.IOException;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.GroupRebalanceConfig;
import org.apache.kafka.common.message.JoinGroupResponseData.JoinGroupResponseMember;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.utils.ExponentialBackoff;
import org.apache.kafka.common.utils.LogContext;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.connect.storage.ClusterConfigState;
import org.apache.kafka.connect.util.ConnectorTaskId;

final class GroupStates {
    private static final int HISTORIES = 240;
    private static final int ROUNDS = 12;
    private static final int[] DELAYS = {300_000, 300_000, 60_000, 5_000, 39, 1, 0, 0};
    private static final String[] WORDS = {
        "orders", "sink", "a", "b", "B", "Z", "postgres-cdc", "s3", "ümlaut", "\uff5e", "\ud83d\ude00", "x", "file-source", "AaAa", "BBBB", "AaBB",
    };

    /** The clock of all members. */
    private static long now;

    private final Random random;
    private final BufferedWriter out;
    private final int delay;
    private final List<String> names = new ArrayList<>();
    private final Map<String, Integer> ids = new HashMap<>();
    private final List<Worker> here = new ArrayList<>();
    private final List<Worker> away = new ArrayList<>();
    private final TreeMap<String, Integer> configured = new TreeMap<>();
    private int workers;
    private int generation;
    private long offset = 3;

    private GroupStates(Random random, BufferedWriter out, int delay) {
        this.random = random;
        this.out = out;
        this.delay = delay;
    }

    public static void main(String[] arguments) throws Exception {
        Random random = new Random(20_260_415);
        int states = 0;
        try (BufferedWriter out = Files.newBufferedWriter(Path.of(arguments[0]).resolve("group.jsonl"))) {
            for (int history = 0; history < HISTORIES; history++) {
                states += new GroupStates(random, out, DELAYS[history % DELAYS.length]).play(history % 23 == 0);
            }
        }
        try (BufferedWriter out = Files.newBufferedWriter(Path.of(arguments[0]).resolve("group_backoff.jsonl"))) {
            for (int i = 0; i < 400; i++) {
                int max = i < 60 ? i : random.nextInt(i % 3 == 0 ? 100_000 : 3_000_000);
                ExponentialBackoff backoff = new ExponentialBackoff(max == 0 ? 0 : 1, 40, max, 0);
                out.write("[" + max);
                for (int attempt = 1; attempt < 7; attempt++) {
                    out.write("," + (int) backoff.backoff(attempt));
                }
                out.write("]\n");
            }
        }
        System.out.println("group " + states);
    }

    /** A member as far as the leader can see it, and what it would do as leader. */
    private final class Worker {
        final int number = workers++;
        String id;
        final String url = "http://host-" + number + ":8083/";
        ExtendedAssignment held;
        int lastCompleted = -1;
        final Coordinator coordinator = new Coordinator(this);
        final ConnectAssignor cooperative = new IncrementalCooperativeAssignor(new LogContext(), time(), delay);
        final ConnectAssignor eager = new EagerAssignor(new LogContext());

        Worker() {
            rename();
        }

        /** The coordinator gives a new id to whoever it does not know. */
        void rename() {
            String host = random.nextBoolean() ? "connect-127.0.0.1:8083-" : "connect-" + number + "-";
            id = host + Long.toHexString(random.nextLong());
            ids.put(id, ids.size());
        }
    }

    private final class Coordinator extends WorkerCoordinator {
        private final Worker worker;
        private ClusterConfigState joined;
        private ClusterConfigState fresh;

        Coordinator(Worker worker) {
            super(
                new GroupRebalanceConfig(10_000, 60_000, 3_000, "g", Optional.empty(), null, 100, 1_000),
                new LogContext(), null, new Metrics(), "connect", time(), worker.url, null, null,
                ConnectProtocolCompatibility.SESSIONED, delay);
            this.worker = worker;
        }

        @Override
        public ClusterConfigState configSnapshot() {
            return joined;
        }

        @Override
        public ClusterConfigState configFreshSnapshot() {
            return fresh;
        }

        @Override
        public void configSnapshot(ClusterConfigState update) {
            joined = update;
        }

        @Override
        public int lastCompletedGenerationId() {
            return worker.lastCompleted;
        }

        @Override
        public int generationId() {
            return generation;
        }

        @Override
        public String memberId() {
            return worker.id;
        }
    }

    private static Time time() {
        InvocationHandler handler = (proxy, method, arguments) -> switch (method.getName()) {
            case "milliseconds", "hiResClockMs" -> now;
            case "nanoseconds" -> now * 1_000_000;
            default -> InvocationHandler.invokeDefault(proxy, method, arguments);
        };
        return (Time) Proxy.newProxyInstance(Time.class.getClassLoader(), new Class<?>[] {Time.class}, handler);
    }

    private int play(boolean isLarge) throws IOException {
        now = 1_000;
        int count = 1 + random.nextInt(isLarge ? 24 : 4);
        for (int i = 0; i < count; i++) {
            here.add(new Worker());
        }
        int connectors = random.nextInt(isLarge ? 60 : 7);
        for (int i = 0; i < connectors; i++) {
            create(isLarge ? 8 : 5);
        }
        List<String> rounds = new ArrayList<>();
        for (int round = 0; round < (isLarge ? 6 : ROUNDS); round++) {
            rounds.add(round(isLarge));
            change(isLarge);
        }
        StringBuilder line = new StringBuilder("{\"delay\":").append(delay).append(",\"names\":[");
        for (String name : names) {
            line.append(line.charAt(line.length() - 1) == '[' ? "" : ",").append('"').append(name).append('"');
        }
        line.append("],\"members\":[");
        String[] byNumber = new String[ids.size()];
        ids.forEach((id, number) -> byNumber[number] = id);
        out.write(line + "\"" + String.join("\",\"", byNumber) + "\"]}\n");
        for (String round : rounds) {
            out.write(round);
            out.write('\n');
        }
        return rounds.size();
    }

    private void create(int tasks) {
        String name = WORDS[random.nextInt(WORDS.length)];
        if (random.nextBoolean()) {
            name += "-" + random.nextInt(40);
        }
        if (!names.contains(name)) {
            names.add(name);
        }
        configured.put(name, random.nextInt(tasks + 1));
        offset++;
    }

    /** What happens between two rounds. */
    private void change(boolean isLarge) {
        int events = random.nextInt(4);
        for (int i = 0; i < events; i++) {
            switch (random.nextInt(12)) {
                case 0, 1 -> here.add(new Worker());
                case 2, 3 -> {
                    if (here.size() > 1) {
                        away.add(here.remove(random.nextInt(here.size())));
                    }
                }
                case 4, 5 -> {
                    if (!away.isEmpty()) {
                        Worker back = away.remove(random.nextInt(away.size()));
                        if (random.nextInt(3) > 0) {
                            back.rename();
                        }
                        if (random.nextBoolean()) {
                            back.held = null;
                        }
                        here.add(back);
                    }
                }
                case 6, 7 -> create(isLarge ? 8 : 5);
                case 8 -> {
                    if (!configured.isEmpty()) {
                        configured.remove(anyConfigured());
                        offset += 2;
                    }
                }
                case 9 -> {
                    if (!configured.isEmpty()) {
                        configured.put(anyConfigured(), random.nextInt(6));
                        offset += 3;
                    }
                }
                case 10 -> {
                    // Another leader, and another order.
                    Collections.shuffle(here, random);
                }
                default -> {
                    // A claim of what somebody else has.
                    Worker from = here.get(random.nextInt(here.size()));
                    Worker to = here.get(random.nextInt(here.size()));
                    if (from.held != null && to.held != null && from != to) {
                        to.held.connectors().addAll(some(from.held.connectors()));
                        to.held.tasks().addAll(some(from.held.tasks()));
                    }
                }
            }
        }
        now += switch (random.nextInt(6)) {
            case 0 -> 0;
            case 1 -> 1 + random.nextInt(5);
            case 2 -> delay / 2;
            case 3 -> delay;
            case 4 -> 1_600;
            default -> random.nextInt(400_000);
        };
    }

    private String anyConfigured() {
        return new ArrayList<>(configured.keySet()).get(random.nextInt(configured.size()));
    }

    private <T> List<T> some(Collection<T> all) {
        List<T> some = new ArrayList<>(all);
        some.removeIf(item -> random.nextInt(3) > 0);
        return some;
    }

    private String round(boolean isLarge) {
        generation++;
        Worker leader = here.get(0);
        boolean isEager = random.nextInt(25) == 0;
        ConnectProtocolCompatibility protocol = isEager ? ConnectProtocolCompatibility.EAGER
            : random.nextInt(6) == 0 ? ConnectProtocolCompatibility.COMPATIBLE : ConnectProtocolCompatibility.SESSIONED;
        // Who has read how much: usually all of it.
        long ahead = random.nextInt(20) == 0 ? 2 : 0;
        boolean isBehind = ahead == 0 && random.nextInt(15) == 0;
        leader.coordinator.joined = isBehind ? snapshot(offset - 1, Collections.emptyMap()) : snapshot(offset, configured);
        leader.coordinator.fresh = snapshot(random.nextInt(4) == 0 ? offset + ahead : offset, configured);
        StringBuilder line = new StringBuilder("{\"at\":").append(now).append(",\"gen\":").append(generation)
            .append(",\"last\":").append(leader.lastCompleted).append(",\"leader\":").append(ids.get(leader.id))
            .append(",\"protocol\":").append(protocol.protocolVersion()).append(",\"joined\":").append(leader.coordinator.joined.offset())
            .append(",\"fresh\":").append(leader.coordinator.fresh.offset()).append(",\"configured\":[");
        configured.forEach((name, tasks) -> line
            .append(line.charAt(line.length() - 1) == '[' ? "" : ",").append(names.indexOf(name)).append(',').append(tasks));
        // A leader that is behind joined with an empty configuration.
        line.append("],\"stale\":").append(isBehind).append(",\"in\":[");
        List<JoinGroupResponseMember> members = new ArrayList<>();
        // The coordinator lists members as it likes.
        List<Worker> listed = new ArrayList<>(here);
        Collections.shuffle(listed, random);
        for (Worker worker : listed) {
            long known = worker == leader ? leader.coordinator.joined.offset()
                : random.nextInt(12) == 0 ? offset - 1 : offset + ahead;
            ExtendedWorkerState state = new ExtendedWorkerState(worker.url, known, worker.held);
            ByteBuffer metadata = isEager ? ConnectProtocol.serializeMetadata(state)
                : IncrementalCooperativeConnectProtocol.serializeMetadata(state, protocol == ConnectProtocolCompatibility.SESSIONED);
            members.add(new JoinGroupResponseMember().setMemberId(worker.id).setMetadata(bytes(metadata)));
            line.append(members.size() > 1 ? "," : "").append('[').append(ids.get(worker.id)).append(',').append(worker.number)
                .append(',').append(known).append(',').append(hash(bytes(metadata))).append(',');
            append(line, worker.held);
            line.append(']');
        }
        ConnectAssignor assignor = isEager ? leader.eager : leader.cooperative;
        Map<String, ByteBuffer> told = assignor.performAssignment(leader.id, protocol, members, leader.coordinator);
        line.append("],\"out\":[");
        int count = 0;
        for (Worker worker : listed) {
            byte[] bytes = bytes(told.get(worker.id));
            ExtendedAssignment assignment = IncrementalCooperativeConnectProtocol.deserializeAssignment(ByteBuffer.wrap(bytes));
            line.append(count++ > 0 ? "," : "").append('[').append(ids.get(worker.id)).append(',').append(hash(bytes)).append(',');
            append(line, assignment);
            line.append(']');
            // Now and then somebody does not get what it was told, the leader included.
            if (random.nextInt(25) > 0) {
                take(worker, assignment, isEager);
            }
        }
        return line.append("]}").toString();
    }

    /** WorkerCoordinator#onJoinComplete. */
    private void take(Worker worker, ExtendedAssignment told, boolean isEager) {
        if (!isEager && worker.held != null) {
            worker.held.connectors().removeAll(told.revokedConnectors());
            worker.held.tasks().removeAll(told.revokedTasks());
            told.connectors().addAll(worker.held.connectors());
            told.tasks().addAll(worker.held.tasks());
        }
        // The eager protocol has no such lists.
        if (!isEager && random.nextInt(8) > 0) {
            told.revokedConnectors().clear();
            told.revokedTasks().clear();
        }
        worker.held = told;
        worker.lastCompleted = generation;
    }

    private static ClusterConfigState snapshot(long offset, Map<String, Integer> configured) {
        Map<String, Map<String, String>> configs = new HashMap<>();
        configured.keySet().forEach(name -> configs.put(name, Collections.emptyMap()));
        Set<String> inconsistent = new HashSet<>();
        Map<String, Integer> counts = new HashMap<>(configured);
        // No tasks, said in either way.
        configured.forEach((name, tasks) -> {
            if (tasks == 0 && name.length() % 2 == 0) {
                counts.put(name, 3);
                inconsistent.add(name);
            }
        });
        return new ClusterConfigState(offset, null, counts, configs, Collections.emptyMap(), Collections.emptyMap(),
            Collections.emptyMap(), Collections.emptyMap(), Collections.emptyMap(), Collections.emptySet(), inconsistent);
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    /** FNV-1a of 32 bits. */
    private static long hash(byte[] bytes) {
        int hash = 0x811c9dc5;
        for (byte b : bytes) {
            hash = (hash ^ (b & 0xff)) * 16_777_619;
        }
        return hash & 0xffff_ffffL;
    }

    private void append(StringBuilder line, ExtendedAssignment assignment) {
        if (assignment == null) {
            line.append("null");
            return;
        }
        line.append('[').append(assignment.error()).append(',').append(ids.get(assignment.leader())).append(',')
            .append(assignment.leaderUrl().replaceAll("[^0-9]*-([0-9]+):.*", "$1")).append(',').append(assignment.offset());
        appendConnectors(line, assignment.connectors());
        appendTasks(line, assignment.tasks());
        appendConnectors(line, assignment.revokedConnectors());
        appendTasks(line, assignment.revokedTasks());
        line.append(',').append(assignment.delay()).append(']');
    }

    private void appendConnectors(StringBuilder line, Collection<String> connectors) {
        String separator = ",[";
        for (String connector : connectors) {
            line.append(separator).append(names.indexOf(connector));
            separator = ",";
        }
        line.append(connectors.isEmpty() ? ",[]" : "]");
    }

    private void appendTasks(StringBuilder line, Collection<ConnectorTaskId> tasks) {
        String separator = ",[";
        for (ConnectorTaskId task : tasks) {
            line.append(separator).append(names.indexOf(task.connector())).append(',').append(task.task());
            separator = ",";
        }
        line.append(tasks.isEmpty() ? ",[]" : "]");
    }
}
