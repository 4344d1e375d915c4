//! Fetch sessions (KIP-227): only what changed goes either way.

use protocol::ErrorCode;
use protocol::wire::messages::fetch_request::{FetchTopic, ForgottenTopic};
use protocol::wire::messages::{FetchRequest, FetchResponse};

use crate::support::{Client, fetch_partition, plain, produce_request, run, topic};

const PARTITIONS: i32 = 4;

const NO_PARTITIONS: [i32; 0] = [];

fn request(session_id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions: Vec<_> =
        partitions.iter().map(|(index, offset)| fetch_partition(*index, *offset)).collect();
    let topics = if partitions.is_empty() {
        Vec::new()
    } else {
        vec![FetchTopic::default().with_topic(topic("t")).with_partitions(partitions)]
    };
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(i32::MAX)
        .with_session_id(session_id)
        .with_session_epoch(epoch)
        .with_topics(topics)
}

fn indexes(response: &FetchResponse) -> Vec<i32> {
    response.responses.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.partition_index)).collect()
}

async fn produce_to(client: &mut Client, index: i32) {
    let mut request = produce_request("t", plain(1));
    request.topic_data[0].partition_data[0].index = index;
    assert_eq!(client.call(9, request).await.responses[0].partition_responses[0].error_code, 0);
}

#[test]
fn later_answers_hold_only_news() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", PARTITIONS, &[]).await;
        let all: Vec<_> = (0..PARTITIONS).map(|index| (index, 0)).collect();
        let first = client.call(11, request(0, 0, &all)).await;
        let id = first.session_id;
        assert_ne!(id, 0);
        assert_eq!(indexes(&first), [0, 1, 2, 3], "the first answer is full");
        assert_eq!(indexes(&client.call(11, request(id, 1, &[])).await), NO_PARTITIONS);
        produce_to(&mut client, 2).await;
        let news = client.call(11, request(id, 2, &[])).await;
        assert_eq!((indexes(&news), news.session_id), (vec![2], id));
        // Partition 2 was read; partition 0 is forgotten before it gets its record.
        produce_to(&mut client, 0).await;
        let forgotten = ForgottenTopic::default().with_topic(topic("t")).with_partitions(vec![0]);
        let request_3 = request(id, 3, &[(2, 1)]).with_forgotten_topics_data(vec![forgotten]);
        assert_eq!(indexes(&client.call(11, request_3).await), NO_PARTITIONS);
        assert_eq!(indexes(&client.call(11, request(id, 4, &[(0, 0)])).await), [0], "and added again");
    });
}

#[test]
fn wrong_ids_and_epochs_are_errors() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let id = client.call(11, request(0, 0, &[(0, 0)])).await.session_id;
        let code = client.call(11, request(id, 5, &[])).await.error_code;
        assert_eq!(code, ErrorCode::INVALID_FETCH_SESSION_EPOCH.0);
        let code = client.call(11, request(id ^ 1, 1, &[])).await.error_code;
        assert_eq!(code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND.0);
        assert_eq!(
            client.call(13, request(id, 1, &[])).await.error_code,
            ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR.0
        );
        assert_eq!(client.call(11, request(id, 1, &[])).await.error_code, 0);
        let closed = client.call(11, request(id, -1, &[(0, 0)])).await;
        assert_eq!((closed.session_id, indexes(&closed)), (0, vec![0]));
        let code = client.call(11, request(id, 2, &[])).await.error_code;
        assert_eq!(code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND.0);
    });
}

#[test]
fn partitions_take_turns_when_not_all_fit() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", PARTITIONS, &[]).await;
        for index in 0..PARTITIONS {
            produce_to(&mut client, index).await;
            produce_to(&mut client, index).await;
        }
        let all: Vec<_> = (0..PARTITIONS).map(|index| (index, 0)).collect();
        // Room for one batch: the first answer names all partitions, but only one has records.
        let served = |response: &FetchResponse| -> Vec<i32> {
            let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
            partitions
                .filter(|p| !p.records.as_ref().unwrap().is_empty())
                .map(|p| p.partition_index)
                .collect()
        };
        let first = client.call(11, request(0, 0, &all).with_max_bytes(1)).await;
        let mut order = served(&first);
        for epoch in 1..PARTITIONS {
            order.extend(served(
                &client.call(11, request(first.session_id, epoch, &[]).with_max_bytes(1)).await,
            ));
        }
        assert_eq!(order, [0, 1, 2, 3]);
    });
}

#[test]
fn an_error_is_said_until_it_is_gone() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        let id = client.call(11, request(0, 0, &[(0, 0)])).await.session_id;
        let again = client.call(11, request(id, 1, &[])).await;
        assert_eq!(again.responses[0].partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0);
        client.create_topic("t", 1, &[]).await;
        let good = client.call(11, request(id, 2, &[])).await;
        assert_eq!((indexes(&good), good.responses[0].partitions[0].error_code), (vec![0], 0));
        assert_eq!(indexes(&client.call(11, request(id, 3, &[])).await), NO_PARTITIONS);
    });
}
