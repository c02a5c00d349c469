//! Redis, Postgres, Kafka, Prometheus, each alone.

use parley_cluster::{
    ClusterError, Kafka, Postgres, Prometheus, Redis,
    health::{Probe, kafka},
    kafka::{Brokers, KafkaConfig},
    service::State,
};

use crate::{assert_gone, kill_and_wait, pause_and_resume, processes};

#[tokio::test]
async fn redis_serves_is_killed_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path(), None).await.unwrap();
    kill_and_wait(redis.service()).await;
    pause_and_resume(redis.service()).await;
    redis.flush_all().await.unwrap();
    let processes = processes([redis.service()]);
    drop(redis);
    assert_gone(&processes).await;
}

#[tokio::test]
async fn what_is_down_stays_down_until_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path(), None).await.unwrap();
    let service = redis.service();
    service.down().await.unwrap();
    assert_eq!(service.status().state, State::Down);
    assert!(matches!(service.kill9(), Err(ClusterError::NotRunning { .. })));
    service.up();
    service.wait_ready().await.unwrap();

    service.unsupervise();
    service.kill9().unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert_eq!((service.status().state, service.status().restarts), (State::Down, 0));

    service.up();
    service.wait_ready().await.unwrap();
    service.pause().unwrap();
    service.restart().await.unwrap();
    assert!(!service.status().paused);
}

#[tokio::test]
async fn a_service_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path(), None).await.unwrap();
    let taken = Redis::start(&folder.path().join("other"), Some(redis.addr().port())).await;
    assert!(matches!(taken, Err(ClusterError::PortTaken { .. })));

    let mut spec = parley_cluster::service::ServiceSpec::new("broken", "sh", folder.path()).args(["-c", "echo out of luck; exit 7"]);
    spec.probe = Probe::Redis(redis.addr());
    let broken = parley_cluster::Service::start(spec).unwrap();
    while broken.status().last_end.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let error = broken.wait_ready_for(std::time::Duration::from_millis(50)).await.unwrap_err().to_string();
    assert!(error.contains("out of luck") && error.contains("7"), "{error}");
}

#[tokio::test]
async fn postgres_serves_is_killed_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(&folder.path().join("postgres"), None).await.unwrap();
    assert!(postgres.create_database("of_one_test").unwrap().ends_with("/of_one_test"));
    kill_and_wait(postgres.service()).await;
    assert!(postgres.create_database("of_one_test").is_err(), "it is still there after the kill");
    pause_and_resume(postgres.service()).await;
    let first = processes([postgres.service()]);
    drop(postgres);
    assert_gone(&first).await;

    let again = Postgres::start(&folder.path().join("postgres"), None).await.unwrap();
    assert!(again.create_database("of_one_test").is_err(), "it is still there after the end");
}

#[tokio::test]
async fn kafka_serves_is_killed_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path(), &KafkaConfig::default()).await.unwrap();
    let service = &kafka.services()[0];
    kill_and_wait(service).await;
    pause_and_resume(service).await;
    assert_eq!(kafka::brokers(kafka.addrs()[0]).await.unwrap(), [(1, i32::from(kafka.addrs()[0].port()))]);
    let processes = processes(kafka.services());
    drop(kafka);
    assert_gone(&processes).await;

    let three = KafkaConfig { brokers: Brokers::Three, ..KafkaConfig::default() };
    assert!(matches!(Kafka::start(folder.path(), &three).await, Err(ClusterError::DataFolder { .. })));
}

#[tokio::test]
async fn prometheus_takes_our_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), None, &[]).await.unwrap();
    let rules = parley_cluster::health::http::get(prometheus.addr(), "/api/v1/rules").await.unwrap();
    assert!(rules.body.contains("ParleyNoGateway"), "{}", rules.body);
}
