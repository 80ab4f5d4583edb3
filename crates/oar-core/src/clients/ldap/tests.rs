//! A directory that sends what a real one would not: too much, too slowly, too little.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::error::{Classified as _, ErrorClass};

/// How a directory answers a search that many people match.
#[derive(Clone, Copy)]
struct Answer {
    /// How many people match.
    people: usize,
    /// The most entries that the directory gives anybody.
    most: usize,
    /// Whether it keeps to the limit that a search asks for.
    is_polite: bool,
    /// The pause before each entry.
    pause: Duration,
}

const POLITE: Answer = Answer { people: 100, most: usize::MAX, is_polite: true, pause: Duration::ZERO };

/// What a directory did, and what it is told to do.
#[derive(Default)]
struct Counts {
    /// The entries that it sent.
    sent: AtomicUsize,
    /// The connections that were made to it.
    connections: AtomicUsize,
    /// It closes the connection that is open, and says so.
    hang_up: Notify,
    hung_up: Notify,
}

/// A client of a directory that answers so.
async fn directory(answer: Answer) -> (LdapClient, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap()).parse().unwrap();
    let counts = Arc::<Counts>::default();
    let own = counts.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            own.connections.fetch_add(1, Ordering::SeqCst);
            let is_told = tokio::select! {
                // A client that had enough closes the connection.
                _ = serve(stream, answer, &own.sent) => false,
                () = own.hang_up.notified() => true,
            };
            if is_told {
                own.hung_up.notify_one();
            }
        }
    });
    let settings = LdapSettings { url, timeout: Duration::from_mins(1), ca_bundle: None };
    (LdapClient::new(settings, Activity::default()), counts)
}

async fn serve(mut stream: TcpStream, answer: Answer, sent: &AtomicUsize) -> std::io::Result<()> {
    loop {
        let request = read_message(&mut stream).await?;
        let mut rest = request.as_slice();
        let (_, id) = next(&mut rest);
        let (operation, mut body) = next(&mut rest);
        if operation == 0x60 {
            stream.write_all(&message(id, &result(0x61, 0))).await?;
            continue;
        }
        // Base, scope, aliases, size limit.
        let [_, _, _, limit] = [(); 4].map(|()| next(&mut body).1);
        let limit = limit.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        let limit = if answer.is_polite && limit > 0 { limit } else { usize::MAX };
        let count = answer.people.min(answer.most).min(limit);
        for number in 0..count {
            if !answer.pause.is_zero() {
                tokio::time::sleep(answer.pause).await;
            }
            let name = format!("uid=p{number},dc=redhat,dc=com");
            let manager =
                item(0x30, &[item(0x04, b"manager"), item(0x31, &item(0x04, name.as_bytes()))].concat());
            let entry = item(0x64, &[item(0x04, name.as_bytes()), item(0x30, &manager)].concat());
            stream.write_all(&message(id, &entry)).await?;
            sent.fetch_add(1, Ordering::SeqCst);
        }
        let code = if count < answer.people { 4 } else { 0 };
        stream.write_all(&message(id, &result(0x65, code))).await?;
    }
}

/// The content of the next message.
async fn read_message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut start = [0; 2];
    stream.read_exact(&mut start).await?;
    let mut length = usize::from(start[1]);
    if length >= 0x80 {
        let mut bytes = vec![0; length - 0x80];
        stream.read_exact(&mut bytes).await?;
        length = bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    Ok(content)
}

/// Takes the next item: its tag and its content.
fn next<'a>(rest: &mut &'a [u8]) -> (u8, &'a [u8]) {
    let (tag, mut length, mut start) = (rest[0], usize::from(rest[1]), 2);
    if length >= 0x80 {
        start += length - 0x80;
        length = rest[2..start].iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    }
    let (item, after) = rest.split_at(start + length);
    *rest = after;
    (tag, &item[start..])
}

fn item(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let start: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    [start, content].concat()
}

fn message(id: &[u8], operation: &[u8]) -> Vec<u8> {
    item(0x30, &[item(0x02, id).as_slice(), operation].concat())
}

fn result(tag: u8, code: u8) -> Vec<u8> {
    item(tag, &[item(0x0a, &[code]), item(0x04, b""), item(0x04, b"")].concat())
}

async fn manager(client: &LdapClient) -> Result<ManagerLookup, ServiceError> {
    manager_of(client, "lead@example.com").await
}

async fn manager_of(client: &LdapClient, person: &str) -> Result<ManagerLookup, ServiceError> {
    client.manager_of(&EmailAddress::from_service(person).unwrap()).await
}

#[tokio::test]
async fn no_more_is_asked_for_than_is_said() {
    let (client, counts) = directory(POLITE).await;
    assert_eq!(manager(&client).await.unwrap(), ManagerLookup::Absent(Absence::SeveralPeople));
    assert_eq!(counts.sent.load(Ordering::SeqCst), 2);
    let (client, _) = directory(Answer { is_polite: false, ..POLITE }).await;
    assert_eq!(manager(&client).await.unwrap(), ManagerLookup::Absent(Absence::SeveralPeople));
}

#[tokio::test]
async fn look_ups_share_one_connection_and_a_lost_one_is_made_again() {
    let (client, counts) = directory(Answer { people: 1, ..POLITE }).await;
    let look_up = async |person: &str| {
        let found = manager_of(&client, person).await.unwrap();
        assert_eq!(found, ManagerLookup::Absent(Absence::ManagerWithoutAddress), "{person}");
        counts.connections.load(Ordering::SeqCst)
    };
    for person in ["ann@example.com", "ben@example.com", "eve@example.com"] {
        assert_eq!(look_up(person).await, 1, "{person}");
    }
    counts.hang_up.notify_one();
    counts.hung_up.notified().await;
    assert_eq!(look_up("kim@example.com").await, 2);
}

#[tokio::test]
async fn a_directory_that_does_not_give_all_it_found_says_nothing() {
    let (client, _) = directory(Answer { most: 1, ..POLITE }).await;
    let error = manager(&client).await.unwrap_err();
    assert!(error.to_string().contains("result code 4"), "{error}");
}

#[tokio::test]
async fn a_look_up_counts_as_activity_while_it_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", listener.local_addr().unwrap()).parse().unwrap();
    let settings = LdapSettings { url, timeout: Duration::from_mins(1), ca_bundle: None };
    let activity = Activity::default();
    let client = LdapClient::new(settings, activity.clone());
    let silent = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The bind, which is never answered.
        read_message(&mut stream).await.unwrap();
        assert_eq!((activity.under_way(), activity.begun()), (1, 1));
    };
    let (looked, ()) = tokio::join!(manager(&client), silent);
    assert_eq!(looked.unwrap_err().class(), ErrorClass::Unavailable, "the connection was closed");
    assert_eq!(activity.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_ends_is_not_waited_for() {
    let endless = Answer { people: 1000, is_polite: false, pause: Duration::from_millis(500), ..POLITE };
    let (client, _) = directory(endless).await;
    let error = manager(&client).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    assert!(error.to_string().contains("no complete answer within 60 s"), "{error}");
}
