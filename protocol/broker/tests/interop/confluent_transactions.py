"""confluent-kafka (librdkafka): records and offsets in one transaction, aborts that nobody reads, and a producer that is fenced."""
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

servers = sys.argv[1]
RECORDS = 1_000
PER_TRANSACTION = 100
SECONDS = 20

admin = AdminClient({"bootstrap.servers": servers})
for future in admin.create_topics([NewTopic("in", 2, 1), NewTopic("out", 2, 1)]).values():
    future.result(SECONDS)
source = Producer({"bootstrap.servers": servers})
for i in range(RECORDS):
    source.produce("in", key=str(i), value=f"value-{i}")
assert source.flush(SECONDS) == 0


def consumer(group, isolation, topic):
    made = Consumer({
        "bootstrap.servers": servers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": isolation,
        "session.timeout.ms": 6000,
    })
    made.subscribe([topic])
    return made


def read(group, isolation, topic, count):
    reader = consumer(group, isolation, topic)
    values = []
    while len(values) < count:
        for message in reader.consume(1000, 0.2):
            assert not message.error(), message.error()
            values.append(message.value().decode())
    # Nothing follows but what was aborted.
    values += [message.value().decode() for message in reader.consume(1000, 1.0) if not message.error()]
    reader.close()
    return values


def transactional():
    made = Producer({"bootstrap.servers": servers, "transactional.id": "mover", "transaction.timeout.ms": 60000})
    made.init_transactions(SECONDS)
    return made


mover = transactional()
reader = consumer("mover", "read_committed", "in")
moved = 0
attempt = 0
while moved < RECORDS:
    messages = [m for m in reader.consume(PER_TRANSACTION, 1.0) if not m.error()]
    if not messages:
        continue
    attempt += 1
    mover.begin_transaction()
    for message in messages:
        mover.produce("out", key=message.key(), value=message.value())
    ends = {}
    for message in messages:
        ends[message.partition()] = message.offset() + 1
    offsets = [TopicPartition("in", partition, offset) for partition, offset in ends.items()]
    mover.send_offsets_to_transaction(offsets, reader.consumer_group_metadata(), SECONDS)
    if attempt % 3 == 0:
        # Written, but never to be seen; the same records come again.
        mover.flush(SECONDS)
        mover.abort_transaction(SECONDS)
        first = {}
        for message in messages:
            first.setdefault(message.partition(), message.offset())
        for partition, offset in first.items():
            reader.seek(TopicPartition("in", partition, offset))
        continue
    mover.commit_transaction(SECONDS)
    moved += len(messages)
assert attempt >= 3, attempt

expected = sorted(f"value-{i}" for i in range(RECORDS))
assert sorted(read("committed", "read_committed", "out", RECORDS)) == expected
assert len(read("all", "read_uncommitted", "out", RECORDS + 1)) > RECORDS
committed = {p.partition: p.offset for p in reader.committed([TopicPartition("in", i) for i in range(2)], SECONDS)}
ends = {i: reader.get_watermark_offsets(TopicPartition("in", i), SECONDS)[1] for i in range(2)}
assert sum(ends.values()) == RECORDS and committed == ends, (ends, committed)
reader.close()

# A second producer of the same id ends what the first one has open, and the first one is told.
mover.begin_transaction()
mover.produce("out", value="from a zombie")
mover.flush(SECONDS)
successor = transactional()
successor.begin_transaction()
successor.produce("out", value="from its successor")
successor.commit_transaction(SECONDS)
try:
    mover.commit_transaction(SECONDS)
    raise AssertionError("a fenced producer has committed")
except KafkaException as error:
    assert error.args[0].fatal() and error.args[0].code() == KafkaError._FENCED, error
values = read("fenced", "read_committed", "out", RECORDS + 1)
assert "from its successor" in values and "from a zombie" not in values, values[-3:]
