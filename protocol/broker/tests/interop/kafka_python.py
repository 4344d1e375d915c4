"""kafka-python, a client that shares no code with the others: topics, a producer, a consumer group that goes on."""
import sys

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

servers = sys.argv[1]
RECORDS = 1000

admin = KafkaAdminClient(bootstrap_servers=servers)
admin.create_topics([NewTopic("t", 2, 1)])
producer = KafkaProducer(bootstrap_servers=servers)


def produce(count):
    for i in range(count):
        producer.send("t", key=b"%d" % i, value=b"value-%d" % i)
    producer.flush(timeout=20)


def consume(count):
    consumer = KafkaConsumer(
        "t",
        bootstrap_servers=servers,
        group_id="g",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=20_000,
    )
    seen = []
    for message in consumer:
        assert message.value == b"value-" + message.key
        seen.append(message.key)
        if len(seen) == count:
            break
    consumer.commit()
    consumer.close()
    assert len(seen) == count, len(seen)


produce(RECORDS)
consume(RECORDS)
produce(3)
consume(3)
assert "t" in admin.list_topics()
