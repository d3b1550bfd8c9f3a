//! The program as a service: what it reports to a service manager, and the unit in the
//! documentation.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Command;

use kici_testkit::{Database, PATIENCE};

use crate::commands::{Served, program};

/// A folder of this test with a configuration that listens at `listen`.
fn configuration(name: &str, database: &Database, listen: &str) -> (PathBuf, PathBuf) {
    let folder = kici_testkit::new_folder(name).unwrap();
    let file = folder.join("platform.toml");
    let url = database.url();
    let text = format!(
        "[server]\nlisten = \"{listen}\"\n[database]\nurl = \"{url}\"\n[log]\nformat = \"json\"\n"
    );
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn received(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[tokio::test]
async fn a_service_manager_hears_of_the_start_and_of_the_stop() {
    let database = Database::sqlite().await.unwrap();
    let (folder, file) = configuration("notify", &database, "127.0.0.1:0");
    let path = folder.join("notify.sock");
    let name = format!("kici-notify-{}", std::process::id());
    let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, address) in [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&abstract_address).unwrap(), format!("@{name}")),
    ] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut server = Served::start(&file, |command| {
            command.env("NOTIFY_SOCKET", &address);
        });
        assert_eq!(received(&socket), "READY=1", "{address}");
        let url = format!("http://{}/ready", server.address);
        let ready = kici_testkit::http_client().unwrap().get(url).send().await.unwrap();
        assert_eq!(ready.status(), 200);
        server.stop();
        assert_eq!(received(&socket), "STOPPING=1", "{address}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_start_that_fails_is_not_reported_as_ready() {
    let database = Database::sqlite().await.unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (folder, file) = configuration("notify-not", &database, &listen);
    let path = folder.join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut serve = program();
    serve.args(["serve", "--config", file.to_str().unwrap()]).env("NOTIFY_SOCKET", &path);
    let ended = serve.output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(socket.recv(&mut [0; 256]).unwrap_err().kind(), ErrorKind::WouldBlock);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_service_manager_that_is_not_there_does_not_stop_the_server() {
    let database = Database::sqlite().await.unwrap();
    let (folder, file) = configuration("notify-nobody", &database, "127.0.0.1:0");
    for address in ["/nowhere/notify.sock", "@kici-nobody-listens-here", "vsock:2:1234", ""] {
        let mut server = Served::start(&file, |command| {
            command.env("NOTIFY_SOCKET", address);
        });
        let log = server.stop();
        let warned = log.contains("the service manager was not notified");
        assert_eq!(warned, !address.is_empty(), "{address}: {log}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn documentation(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(name)
}

#[test]
fn the_documented_unit_is_the_file_and_is_hardened() {
    let file = documentation("systemd/kici-platform.service");
    let unit = std::fs::read_to_string(&file).unwrap();
    let page = std::fs::read_to_string(documentation("first-hour.md")).unwrap();
    assert!(page.contains(&format!("```ini\n{unit}```\n")), "first-hour.md shows another unit");
    for line in
        ["Type=notify", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=kici"]
    {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    let mut analyze = Command::new("systemd-analyze");
    let threshold = "--threshold=11";
    analyze.args(["security", "--offline=yes", "--no-pager", threshold]).arg(&file);
    match analyze.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("left out: systemd-analyze is not installed");
        }
        analyzed => {
            let analyzed = analyzed.unwrap();
            let text = String::from_utf8_lossy(&analyzed.stdout).into_owned();
            // An older one knows neither option, or not every directive.
            if text.contains("Overall exposure level") {
                assert!(analyzed.status.success(), "{text}");
            } else {
                println!("left out: {}", String::from_utf8_lossy(&analyzed.stderr));
            }
        }
    }
}
