//! Idempotent producers: repeats, gaps, epochs, and answers that get lost.

use broker::Fault;
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::{ApiKey, InitProducerIdRequest, ProduceRequest};
use protocol::wire::records::{Codec, ProducerStamp};

use crate::support::{Client, batch, produce_request, run};

fn sequenced(producer_id: i64, producer_epoch: i16, base_sequence: i32, count: usize) -> Bytes {
    let stamp = ProducerStamp { producer_id, producer_epoch, base_sequence, is_transactional: false };
    batch(Codec::None, count, b"value", stamp)
}

async fn new_producer(client: &mut Client) -> i64 {
    let request =
        InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(1000);
    let response = client.call(4, request).await;
    assert_eq!((response.error_code, response.producer_epoch), (0, 0));
    response.producer_id.0
}

#[test]
fn a_repeated_batch_is_answered_with_its_first_offset() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let (id, other) = (new_producer(&mut client).await, new_producer(&mut client).await);
        assert_ne!(id, other);
        for (sequence, offset) in [(0, 0), (3, 3), (6, 6), (3, 3), (0, 0), (9, 9)] {
            let produced = client.produce("t", sequenced(id, 0, sequence, 3)).await;
            assert_eq!((produced.error_code, produced.base_offset), (0, offset), "sequence {sequence}");
        }
        let gap = client.produce("t", sequenced(id, 0, 13, 3)).await;
        assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0);
        assert_eq!(client.produce("t", sequenced(id, 1, 0, 1)).await.error_code, 0, "the epoch was bumped");
        let fenced = client.produce("t", sequenced(id, 0, 12, 1)).await;
        assert_eq!(fenced.error_code, ErrorCode::INVALID_PRODUCER_EPOCH.0);
        assert_eq!(client.fetch("t", 0).await.high_watermark, 13);
    });
}

#[test]
fn a_lost_answer_does_not_store_a_batch_twice() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let id = new_producer(&mut client).await;
        broker.faults().once(ApiKey::Produce, Fault::LoseResponse);
        client.send(9, &produce_request("t", sequenced(id, 0, 0, 5))).await;
        assert!(client.receive::<ProduceRequest>(9).await.is_none());
        let mut client = Client::new(&broker);
        let produced = client.produce("t", sequenced(id, 0, 0, 5)).await;
        assert_eq!((produced.error_code, produced.base_offset), (0, 0));
        assert_eq!(client.fetch("t", 0).await.high_watermark, 5);
    });
}
