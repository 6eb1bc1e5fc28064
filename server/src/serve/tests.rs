//! What a start does before nodes run, and a stop before they serve.

use super::*;
use std::net::Ipv4Addr;
use std::path::Path;

fn cluster(data_dir: &Path, cluster_id: &str) -> Options {
    Options {
        data_dir: data_dir.to_owned(),
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        advertised_host: None,
        brokers: 2,
        cluster_id: Some(cluster_id.to_owned()),
        properties: BTreeMap::new(),
    }
}

#[test]
fn a_new_cluster_of_one_process_has_a_uuid_and_an_old_one_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("data");
    let options = cluster(&place, "storm");
    let error = open(&options, &mut Binder::default()).err().unwrap();
    assert_eq!(error.to_string(), "the cluster id `storm` is not a UUID in base64");
    assert!(!place.exists(), "nothing is formatted");
    for node in options.nodes() {
        drop(DataDir::open(&node_dir(&place, node, 2), node, Some("storm")).unwrap());
    }
    assert!(open(&options, &mut Binder::default()).is_ok());
}

#[test]
fn a_new_node_joins_a_cluster_with_any_id() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let text = format!(
        "node.id = 3\nprocess.roles = \"broker\"\ncluster.id = \"storm\"\n\
         controller.quorum.voters = \"1@127.0.0.1:9093,2@127.0.0.1:9094\"\n\
         listeners = \"PLAINTEXT://127.0.0.1:0\"\nlog.dirs = '{}'\n",
        data_dir.display()
    );
    let options = NodeOptions::parse(&text, &BTreeMap::new()).unwrap();
    let runtime = runtime().unwrap();
    let opened = open_node(&options, &runtime, &mut Binder::default());
    let (place, _outbox) = opened.ok().unwrap();
    assert_eq!(place.dir.cluster_id, "storm");
    let listening = &place.listeners[0];
    let port = listening.address.port();
    assert!(port != 0 && matches!(listening.socket, Socket::Late(_)));
    assert_eq!(place.config.endpoint.map(|endpoint| endpoint.port), Some(port));
}

/// If it cannot listen, nothing is formatted, and no thread has to be stopped.
#[test]
fn where_others_look_for_controllers_a_node_listens_before_its_threads_run() {
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let text = format!(
        "node.id = 1\nprocess.roles = \"broker,controller\"\n\
         controller.quorum.voters = \"1@{address}\"\n\
         controller.listener.names = \"CONTROLLER\"\n\
         listener.security.protocol.map = \"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\"\n\
         listeners = \"PLAINTEXT://127.0.0.1:0,CONTROLLER://{address}\"\nlog.dirs = '{}'\n",
        dir.path().join("data").display()
    );
    let options = NodeOptions::parse(&text, &BTreeMap::new()).unwrap();
    let runtime = runtime().unwrap();
    let opened = open_node(&options, &runtime, &mut Binder::default());
    let (place, _outbox) = opened.ok().unwrap();
    let is_early = |listening: &Listening| matches!(listening.socket, Socket::Early(_));
    let early: Vec<bool> = place.listeners.iter().map(is_early).collect();
    assert_eq!(early, [false, true]);
    std::net::TcpStream::connect(address).unwrap();
    assert!(std::net::TcpStream::connect(place.listeners[0].address).is_err());
}

#[test]
fn a_stop_that_comes_before_the_doors_are_open_keeps_them_shut() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = cluster(&dir.path().join("data"), "");
    (options.brokers, options.cluster_id) = (1, None);
    let mut server = Server::start(&options, None).unwrap();
    let node = server.announced.recv_timeout(Duration::from_secs(60)).unwrap();
    let (ready, announced) = channel();
    ready.send(node).unwrap();
    server.announced = announced;
    server.stopper().stop();
    assert!(!server.ready().unwrap());
    assert!(std::net::TcpStream::connect(server.addresses()[0]).is_err());
}
