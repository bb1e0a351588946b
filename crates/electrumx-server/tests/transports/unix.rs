use crate::common::{LineClient, PATIENCE, Setup, unix};

#[test]
fn a_unix_socket_is_served_and_outlives_a_crash() {
    let mut setup = Setup::start(&[]).unwrap();
    let path = setup.unix();
    let mut client = LineClient::new(unix(&path).unwrap());
    client.greet().unwrap();
    setup.sessions_become("U").unwrap();

    setup.server.kill9().unwrap();
    assert!(path.exists());
    setup.server.restart().unwrap();
    setup.wait_ready().unwrap();
    LineClient::new(unix(&path).unwrap()).greet().unwrap();
    setup.server.terminate(PATIENCE).unwrap();
    assert!(!path.exists());
}
