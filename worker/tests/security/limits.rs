//! Large, slow and many: what REST answers, and that others are still served.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::Setup;
use crate::support::{Broker, PATIENCE, Process, wait_for, worker_properties, write_properties};

#[test]
fn what_is_too_large_is_refused_at_once() {
    let setup = Setup::start(|_| Vec::new());
    let rest = &setup.worker.rest;
    let address = &rest.address;
    let long = "a".repeat(20_000);
    assert_eq!(rest.raw(&format!("GET /{long} HTTP/1.1\r\nHost: {address}\r\n\r\n")).status, 414);
    assert_eq!(rest.raw(&format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {long}\r\n\r\n")).status, 431);
    let many: String = (0..200).map(|number| format!("X-{number}: x\r\n")).collect();
    assert_eq!(rest.raw(&format!("GET / HTTP/1.1\r\nHost: {address}\r\n{many}\r\n")).status, 431);
    // Above what hyper buffers as well: it never becomes ours to refuse.
    let huge = "a".repeat(200_000);
    assert_eq!(rest.raw(&format!("GET / HTTP/1.1\r\nHost: {address}\r\nX: {huge}\r\n\r\n")).status, 431);

    let head = format!("POST /connectors HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    // Announced: refused before any of it has come.
    assert_eq!(rest.raw(&format!("{head}Content-Length: 5000000\r\n\r\n")).status, 413);
    let chunk = format!("{:x}\r\n{}\r\n", 1_000_000, " ".repeat(1_000_000));
    assert_eq!(rest.raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(5))).status, 413);
    let deep = format!("{}1{}", r#"{"config":"#.repeat(50_000), "}".repeat(50_000));
    let answer = rest.raw(&format!("{head}Content-Length: {}\r\n\r\n{deep}", deep.len()));
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(rest.get("/health").status, 200);
}

/// Slowloris: more connections than there is room for, each of which sends a bit and then nothing.
#[test]
fn slow_clients_keep_nobody_out() {
    const DESCRIPTORS: usize = 256;
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let properties = worker_properties(&broker.bootstrap, dir.path(), &[]);
    let properties: Vec<_> = properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let file = write_properties(&dir.path().join("worker.properties"), &properties);
    let mut worker = Process::start_limited(&["standalone", file.to_str().unwrap()], DESCRIPTORS);
    worker.wait_for_output("ready in");
    let rest = worker.rest();
    let connect = |text: &str| {
        let mut stream = TcpStream::connect(&rest.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let half = [
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nHost: x\r\nX: ",
        "POST /connectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ];
    let mut slow: Vec<_> = half.iter().cycle().take(DESCRIPTORS * 2).map(|text| connect(text)).collect();
    for _ in 0..20 {
        assert_eq!(rest.get("/connectors").status, 200);
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", worker.pid())).unwrap().count();
    assert!(open < DESCRIPTORS, "{open} descriptors");
    // The first ones have made room.
    assert_eq!(slow[0].read(&mut [0; 1]).unwrap_or(0), 0);
    drop(slow);
    assert_eq!(worker.terminate(), Some(0));
}

/// Requests between workers are read before anybody says who they are.
#[test]
fn nobody_unknown_keeps_others_from_being_answered() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let properties = worker_properties(&broker.bootstrap, dir.path(), &[]);
    let properties: Vec<_> = properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let file = write_properties(&dir.path().join("worker.properties"), &properties);
    let mut worker = Process::start(&["standalone", file.to_str().unwrap()]);
    worker.wait_for_output("ready in");
    let rest = worker.rest();
    let head = "POST /connectors/c/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n";
    let connect = |body: &str| {
        let mut stream = TcpStream::connect(&rest.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _refused = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        stream
    };
    // More than may be answered at one time.
    let slow: Vec<_> = (0..600).map(|_| connect("[")).collect();
    for _ in 0..20 {
        assert_eq!(rest.get("/connectors").status, 200);
    }
    drop(slow);
    // More than all bodies may take together.
    let body = " ".repeat(3_900_000);
    let large: Vec<_> = (0..20).map(|_| connect(&body)).collect();
    wait_for("refusals", || {
        large
            .iter()
            .any(|mut stream| {
                stream.set_nonblocking(true).unwrap();
                let mut start = [0; 12];
                stream.read(&mut start).is_ok_and(|read| start[..read].ends_with(b"503"))
            })
            .then_some(())
    });
    let answer = rest.send("POST", "/connectors", Some(&format!("{}{{}}", " ".repeat(3_000_000))));
    assert_ne!(answer.status, 503, "{answer:?}");
    drop(large);
    assert_eq!(worker.terminate(), Some(0));
}

#[test]
fn bodies_that_stop_are_given_up() {
    let setup = Setup::start(|_| Vec::new());
    let rest = &setup.worker.rest;
    let mut stalled = TcpStream::connect(&rest.address).unwrap();
    stalled.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /connectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stalled.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    let _closed = stalled.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

/// What they hold is given back: the same again and again, and REST still answers.
#[test]
fn bodies_together_are_limited_and_given_back() {
    let setup = Setup::start(|_| Vec::new());
    let rest = &setup.worker.rest;
    let head = "POST /connectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n";
    let body = " ".repeat(3_900_000);
    for _ in 0..2 {
        let streams = (0..30).map(|_| {
            let mut stream = TcpStream::connect(&rest.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let _refused = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            stream
        });
        let streams: Vec<_> = streams.collect();
        let refused = wait_for("refusals", || {
            let mut refused = 0;
            for mut stream in &streams {
                stream.set_nonblocking(true).unwrap();
                let mut start = [0; 12];
                refused +=
                    usize::from(stream.read(&mut start).is_ok_and(|read| start[..read].ends_with(b"503")));
            }
            (refused > 0).then_some(refused)
        });
        assert!(refused < 30, "some fit in");
        drop(streams);
        wait_for("room", || {
            let answer = rest.send("POST", "/connectors", Some(&format!("{}{{}}", " ".repeat(3_000_000))));
            (answer.status != 503).then_some(())
        });
    }
    assert_eq!(rest.get("/health").status, 200);
}
