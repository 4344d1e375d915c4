// Produces or consumes one partition by librdkafka and prints the CPU time of the whole process in ns.
// Arguments: produce|consume|poll|version BOOTSTRAP TOPIC RECORDS RECORD_BYTES BATCH_BYTES
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGES_PER_CALL 10000

static long long delivered;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value) {
    char error[512];
    if (rd_kafka_conf_set(conf, key, value, error, sizeof error) != RD_KAFKA_CONF_OK)
        fail(key, error);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
    if (message->err)
        fail("delivery", rd_kafka_err2str(message->err));
    delivered++;
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char error[512];
    rd_kafka_t *rk = rd_kafka_new(type, conf, error, sizeof error);
    if (!rk)
        fail("rd_kafka_new", error);
    return rk;
}

static void produce(rd_kafka_conf_t *conf, const char *topic, long long records, size_t size, const char *batch) {
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "5");
    set(conf, "batch.size", batch);
    set(conf, "batch.num.messages", "1000000");
    set(conf, "queue.buffering.max.messages", "300000");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    char *value = malloc(size);
    memset(value, 'x', size);
    for (long long sent = 0; sent < records; sent++) {
        while (rd_kafka_produce(rkt, 0, RD_KAFKA_MSG_F_COPY, value, size, NULL, 0, NULL) == -1) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
            rd_kafka_poll(rk, 10);
        }
        if (sent % MESSAGES_PER_CALL == 0)
            rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
    if (delivered != records)
        fail("produce", "not every record was delivered");
}

static void consume(rd_kafka_conf_t *conf, const char *topic, long long records) {
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    if (rd_kafka_consume_start(rkt, 0, RD_KAFKA_OFFSET_BEGINNING) == -1)
        fail("consume", rd_kafka_err2str(rd_kafka_last_error()));
    static rd_kafka_message_t *messages[MESSAGES_PER_CALL];
    long long seen = 0;
    while (seen < records) {
        ssize_t count = rd_kafka_consume_batch(rkt, 0, 30000, messages, MESSAGES_PER_CALL);
        if (count <= 0)
            fail("consume", "no data for 30 s");
        for (ssize_t i = 0; i < count; i++) {
            if (!messages[i]->err)
                seen++;
            else if (messages[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
                fail("consume", rd_kafka_message_errstr(messages[i]));
            rd_kafka_message_destroy(messages[i]);
        }
    }
}

static void poll_each(rd_kafka_conf_t *conf, const char *topic, long long records) {
    set(conf, "group.id", "unused");
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(partitions, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    if (rd_kafka_assign(rk, partitions))
        fail("poll", "not assigned");
    for (long long seen = 0; seen < records;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 30000);
        if (!message)
            fail("poll", "no data for 30 s");
        if (!message->err)
            seen++;
        else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            fail("poll", rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "version")) {
        puts(rd_kafka_version_str());
        return 0;
    }
    if (argc != 7)
        fail("usage", "produce|consume|poll|version BOOTSTRAP TOPIC RECORDS RECORD_BYTES BATCH_BYTES");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[2]);
    if (!strcmp(argv[1], "produce"))
        produce(conf, argv[3], atoll(argv[4]), (size_t)atoll(argv[5]), argv[6]);
    else if (!strcmp(argv[1], "poll"))
        poll_each(conf, argv[3], atoll(argv[4]));
    else
        consume(conf, argv[3], atoll(argv[4]));
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    printf("%lld\n", (long long)spent.tv_sec * 1000000000 + spent.tv_nsec);
    fflush(stdout);
    _Exit(0);
}
