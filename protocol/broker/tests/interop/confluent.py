"""confluent-kafka (librdkafka): topics, an idempotent producer, two consumers of one group, offsets, configurations."""
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType

servers = sys.argv[1]
RECORDS = 10_000
SECONDS = 20

admin = AdminClient({"bootstrap.servers": servers})
topic = NewTopic("t", 4, 1, config={"retention.bytes": "123456789"})
admin.create_topics([topic])["t"].result(SECONDS)
try:
    admin.create_topics([topic])["t"].result(SECONDS)
    raise AssertionError("a topic was created twice")
except KafkaException as error:
    assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, error
configs = admin.describe_configs([ConfigResource(ResourceType.TOPIC, "t")])
assert list(configs.values())[0].result(SECONDS)["retention.bytes"].value == "123456789"

failed = []
producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "compression.type": "zstd"})
for i in range(RECORDS):
    producer.produce("t", key=str(i), value=f"value-{i}", on_delivery=lambda error, _: error and failed.append(error))
    producer.poll(0)
assert producer.flush(SECONDS) == 0 and not failed, failed


def consumer():
    made = Consumer({
        "bootstrap.servers": servers,
        "group.id": "g",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
    })
    made.subscribe(["t"])
    return made


pair = [consumer(), consumer()]
seen = set()
# Both have to have partitions at the end: the second one's arrival rebalances the group.
while len(seen) < RECORDS or not all(one.assignment() for one in pair):
    for one in pair:
        for message in one.consume(1000, 0.2):
            assert not message.error(), message.error()
            assert message.value() == b"value-" + message.key()
            seen.add(int(message.key()))
assert sorted(len(one.assignment()) for one in pair) == [2, 2]
for one in pair:
    # The second one may have begun behind what the first one read, and never read itself.
    ends = [TopicPartition("t", p.partition, one.get_watermark_offsets(p, SECONDS)[1]) for p in one.assignment()]
    one.commit(offsets=ends, asynchronous=False)
listed = admin.list_offsets({TopicPartition("t", i): OffsetSpec.latest() for i in range(4)})
ends = {where.partition: future.result(SECONDS).offset for where, future in listed.items()}
committed = {p.partition: p.offset for p in pair[0].committed([TopicPartition("t", i) for i in range(4)], SECONDS)}
assert sum(ends.values()) == RECORDS and committed == ends, (ends, committed)
group = admin.describe_consumer_groups(["g"])["g"].result(SECONDS)
assert len(group.members) == 2 and group.state.name == "STABLE", group
for one in pair:
    one.close()

admin.create_partitions([NewPartitions("t", 6)])["t"].result(SECONDS)
assert len(admin.list_topics(timeout=SECONDS).topics["t"].partitions) == 6
admin.delete_consumer_groups(["g"])["g"].result(SECONDS)
admin.delete_topics(["t"])["t"].result(SECONDS)
assert "t" not in admin.list_topics(timeout=SECONDS).topics
