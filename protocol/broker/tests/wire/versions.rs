//! Every version of every API that is listed: once as usual, once with an injected error. `kafka-protocol` refuses to
//! encode an answer with a field that its version lacks, and the connection would be closed.

use broker::{Broker, Fault};
use protocol::ErrorCode;
use protocol::wire::messages;
use protocol::wire::messages::describe_configs_request::DescribeConfigsResource;
use protocol::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::wire::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterConfigsRequest, ApiKey, ApiVersionsRequest,
    CreateAclsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest, DeleteGroupsRequest,
    DeleteRecordsRequest, DeleteTopicsRequest, DescribeAclsRequest, DescribeClientQuotasRequest,
    DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeTransactionsRequest, ElectLeadersRequest, EndTxnRequest, FetchRequest,
    FindCoordinatorRequest, GroupId, HeartbeatRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest,
    JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest,
    ListPartitionReassignmentsRequest, ListTransactionsRequest, MetadataRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest, Request,
    SyncGroupRequest, TransactionalId, TxnOffsetCommitRequest, WriteTxnMarkersRequest,
    add_partitions_to_txn_request, alter_configs_request, create_acls_request, create_partitions_request,
    create_topics_request, delete_acls_request, delete_records_request, delete_topics_request,
    describe_log_dirs_request, describe_producers_request, elect_leaders_request,
    incremental_alter_configs_request, leave_group_request, metadata_request, offset_commit_request,
    offset_delete_request, offset_fetch_request, offset_for_leader_epoch_request, txn_offset_commit_request,
    write_txn_markers_request,
};

use crate::support::{Client, fetch_request, plain, produce_request, run, text, topic};

const TOPIC_RESOURCE: i8 = 2;

/// Sends what `make` makes for each listed version, as it is and with an error injected.
async fn check<R: Request>(broker: &Broker, checked: &mut Vec<i16>, make: impl Fn(i16) -> R) {
    let mut client = Client::new(broker);
    let listed = client.call(0, ApiVersionsRequest::default()).await;
    let api = listed.api_keys.iter().find(|api| api.api_key == R::KEY).unwrap();
    // Produce 0 to 2 are listed for the sake of old clients, and not served.
    let min = if R::KEY == ProduceRequest::KEY { 3 } else { api.min_version };
    for version in min..=api.max_version {
        client.send(version, &make(version)).await;
        assert!(client.receive::<R>(version).await.is_some(), "key {} v{version}", R::KEY);
        broker.faults().once(ApiKey::try_from(R::KEY).unwrap(), Fault::Error(ErrorCode::REQUEST_TIMED_OUT));
        client.send(version, &make(version)).await;
        assert!(client.receive::<R>(version).await.is_some(), "key {} v{version} with an error", R::KEY);
    }
    checked.push(R::KEY);
}

fn group() -> GroupId {
    GroupId(text("g"))
}

#[test]
fn every_version_of_every_api_is_answered() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        client.produce("t", plain(2)).await;
        let checked = &mut Vec::new();
        check_data(&broker, checked).await;
        check_topics(&broker, checked).await;
        check_groups(&broker, checked).await;
        check_administration(&broker, checked).await;
        check_transactions(&broker, checked).await;
        let listed = client.call(0, ApiVersionsRequest::default()).await;
        let mut listed: Vec<i16> = listed.api_keys.iter().map(|api| api.api_key).collect();
        listed.sort_unstable();
        checked.sort_unstable();
        assert_eq!(*checked, listed, "an API is listed and not tested here");
        macro_rules! keys {
            ($($request:ident)*) => { [$(messages::$request::KEY),*] };
        }
        let fuzzed = protocol::for_every_request!(keys);
        assert!(listed.iter().all(|key| fuzzed.contains(key)), "an API is listed and not fuzzed");
    });
}

async fn check_administration(broker: &Broker, checked: &mut Vec<i16>) {
    check(broker, checked, |_| DescribeAclsRequest::default().with_pattern_type_filter(1)).await;
    check(broker, checked, |_| {
        let acl = create_acls_request::AclCreation::default().with_resource_pattern_type(3);
        CreateAclsRequest::default().with_creations(vec![acl])
    })
    .await;
    check(broker, checked, |_| {
        let filter = delete_acls_request::DeleteAclsFilter::default().with_pattern_type_filter(1);
        DeleteAclsRequest::default().with_filters(vec![filter])
    })
    .await;
    check(broker, checked, |_| DescribeClientQuotasRequest::default()).await;
    check(broker, checked, |_| ListPartitionReassignmentsRequest::default().with_topics(None)).await;
    check(broker, checked, |_| {
        let asked = describe_log_dirs_request::DescribableLogDirTopic::default()
            .with_topic(topic("t"))
            .with_partitions(vec![0]);
        DescribeLogDirsRequest::default().with_topics(Some(vec![asked]))
    })
    .await;
    check(broker, checked, |_| {
        let asked = elect_leaders_request::TopicPartitions::default()
            .with_topic(topic("t"))
            .with_partitions(vec![0, 7]);
        ElectLeadersRequest::default().with_topic_partitions(Some(vec![asked]))
    })
    .await;
}

async fn check_data(broker: &Broker, checked: &mut Vec<i16>) {
    check(broker, checked, |version| {
        let mut request = produce_request("t", plain(1));
        if version >= 13 {
            request.topic_data[0].name = topic("");
        }
        request
    })
    .await;
    check(broker, checked, |version| {
        let mut request: FetchRequest = fetch_request("t", 0);
        if version >= 13 {
            request.topics[0].topic = topic("");
        }
        request
    })
    .await;
    check(broker, checked, |_| {
        let partitions = [-1, -2, -3, -4, 0].map(|timestamp| {
            ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1)
        });
        let wanted = ListOffsetsTopic::default().with_name(topic("t")).with_partitions(partitions.to_vec());
        ListOffsetsRequest::default().with_topics(vec![wanted])
    })
    .await;
    check(broker, checked, |version| {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default();
        let wanted = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(topic("t"))
            .with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![wanted]);
        if version >= 3 { request.with_replica_id((-1).into()) } else { request }
    })
    .await;
    check(broker, checked, |_| {
        let partition = delete_records_request::DeleteRecordsPartition::default();
        let wanted = delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        DeleteRecordsRequest::default().with_topics(vec![wanted])
    })
    .await;
}

async fn check_topics(broker: &Broker, checked: &mut Vec<i16>) {
    check(broker, checked, |_| {
        ApiVersionsRequest::default()
            .with_client_software_name(text("a"))
            .with_client_software_version(text("1"))
    })
    .await;
    check(broker, checked, |version| {
        let known = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("t")));
        let bad = metadata_request::MetadataRequestTopic::default().with_name(Some(topic("not good")));
        let unknown = metadata_request::MetadataRequestTopic::default().with_name(None);
        let mut topics = vec![known, bad];
        if version >= 12 {
            topics.push(unknown.with_topic_id(uuid::Uuid::from_u128(9)));
        }
        let request = MetadataRequest::default().with_topics(Some(topics));
        let request =
            if version >= 8 { request.with_include_topic_authorized_operations(true) } else { request };
        if (8..=10).contains(&version) {
            request.with_include_cluster_authorized_operations(true)
        } else {
            request
        }
    })
    .await;
    check(broker, checked, |version| {
        let named = |name: &str| {
            create_topics_request::CreatableTopic::default()
                .with_name(topic(name))
                .with_num_partitions(1)
                .with_replication_factor(1)
        };
        CreateTopicsRequest::default().with_topics(vec![named(&format!("new-{version}")), named("t")])
    })
    .await;
    check(broker, checked, |version| {
        if version >= 6 {
            let named = delete_topics_request::DeleteTopicState::default().with_name(Some(topic("none")));
            return DeleteTopicsRequest::default().with_topics(vec![named]);
        }
        DeleteTopicsRequest::default().with_topic_names(vec![topic("none")])
    })
    .await;
    check(broker, checked, |_| {
        let wanted = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic("t"))
            .with_count(1)
            .with_assignments(None);
        CreatePartitionsRequest::default().with_topics(vec![wanted])
    })
    .await;
    check(broker, checked, |version| {
        let resource = |name: &str| {
            DescribeConfigsResource::default()
                .with_resource_type(TOPIC_RESOURCE)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        };
        let request = DescribeConfigsRequest::default()
            .with_resources(vec![resource("t"), resource("none")])
            .with_include_synonyms(true);
        if version >= 3 { request.with_include_documentation(true) } else { request }
    })
    .await;
    check(broker, checked, |_| {
        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(text("none"));
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    })
    .await;
    check(broker, checked, |_| {
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(TOPIC_RESOURCE)
            .with_resource_name(text("t"));
        AlterConfigsRequest::default().with_resources(vec![resource])
    })
    .await;
    check(broker, checked, |_| DescribeClusterRequest::default()).await;
    check(broker, checked, |_| messages::SaslHandshakeRequest::default()).await;
    check(broker, checked, |_| messages::SaslAuthenticateRequest::default()).await;
}

async fn check_groups(broker: &Broker, checked: &mut Vec<i16>) {
    check(broker, checked, |version| {
        if version >= 4 {
            return FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
        }
        FindCoordinatorRequest::default().with_key(text("g"))
    })
    .await;
    check(broker, checked, |_| {
        JoinGroupRequest::default().with_group_id(group()).with_session_timeout_ms(7000)
    })
    .await;
    check(broker, checked, |_| SyncGroupRequest::default().with_group_id(group())).await;
    check(broker, checked, |_| HeartbeatRequest::default().with_group_id(group())).await;
    check(broker, checked, |version| {
        let request = LeaveGroupRequest::default().with_group_id(group());
        let member = leave_group_request::MemberIdentity::default().with_member_id(text("m"));
        if version >= 3 { request.with_members(vec![member]) } else { request }
    })
    .await;
    check(broker, checked, |_| {
        let partition = offset_commit_request::OffsetCommitRequestPartition::default();
        let wanted = offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![wanted])
    })
    .await;
    check(broker, checked, |version| {
        if version >= 8 {
            let wanted = offset_fetch_request::OffsetFetchRequestTopics::default()
                .with_name(topic("t"))
                .with_partition_indexes(vec![0]);
            let one = offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group())
                .with_topics(Some(vec![wanted]));
            return OffsetFetchRequest::default().with_groups(vec![one]);
        }
        let wanted = offset_fetch_request::OffsetFetchRequestTopic::default()
            .with_name(topic("t"))
            .with_partition_indexes(vec![0]);
        OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![wanted]))
    })
    .await;
    check(broker, checked, |_| {
        let partition = offset_delete_request::OffsetDeleteRequestPartition::default();
        let wanted = offset_delete_request::OffsetDeleteRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![wanted])
    })
    .await;
    check(broker, checked, |_| {
        DescribeGroupsRequest::default().with_groups(vec![group(), GroupId(text("none"))])
    })
    .await;
    check(broker, checked, |_| ListGroupsRequest::default()).await;
    check(broker, checked, |_| DeleteGroupsRequest::default().with_groups_names(vec![group()])).await;
}

async fn check_transactions(broker: &Broker, checked: &mut Vec<i16>) {
    let id = || TransactionalId(text("tx"));
    check(broker, checked, |_| {
        InitProducerIdRequest::default().with_transactional_id(Some(id())).with_transaction_timeout_ms(1000)
    })
    .await;
    check(broker, checked, |version| {
        let wanted = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![0]);
        if version < 4 {
            return AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(id())
                .with_v3_and_below_topics(vec![wanted]);
        }
        let transaction = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
            .with_transactional_id(id())
            .with_verify_only(true)
            .with_topics(vec![wanted]);
        AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])
    })
    .await;
    check(broker, checked, |_| {
        AddOffsetsToTxnRequest::default().with_transactional_id(id()).with_group_id(group())
    })
    .await;
    check(broker, checked, |_| {
        let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default();
        let wanted = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        TxnOffsetCommitRequest::default()
            .with_transactional_id(id())
            .with_group_id(group())
            .with_topics(vec![wanted])
    })
    .await;
    check(broker, checked, |_| EndTxnRequest::default().with_transactional_id(id())).await;
    check(broker, checked, |_| DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]))
        .await;
    check(broker, checked, |_| ListTransactionsRequest::default()).await;
    check(broker, checked, |_| {
        let wanted = describe_producers_request::TopicRequest::default()
            .with_name(topic("t"))
            .with_partition_indexes(vec![0, 9]);
        DescribeProducersRequest::default().with_topics(vec![wanted])
    })
    .await;
    check(broker, checked, |_| {
        let wanted = write_txn_markers_request::WritableTxnMarkerTopic::default()
            .with_name(topic("t"))
            .with_partition_indexes(vec![0, 9]);
        let marker = write_txn_markers_request::WritableTxnMarker::default().with_topics(vec![wanted]);
        WriteTxnMarkersRequest::default().with_markers(vec![marker])
    })
    .await;
}
