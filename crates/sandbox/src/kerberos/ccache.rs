//! Credential caches as MIT Kerberos keeps them in files: format version 4, all numbers big-endian.

use jiff::Timestamp;
use rand::RngCore;

use super::der;

/// `aes256-cts-hmac-sha1-96`.
const ENCRYPTION_TYPE: u8 = 18;
/// Bytes of its keys.
const KEY_LENGTH: usize = 32;
/// Bytes of the part of a ticket that only the service could read; here nobody can.
const SEALED_LENGTH: usize = 256;
/// Version of the protocol.
const PROTOCOL: u8 = 5;
/// Forwardable, renewable, initial, pre-authenticated.
const FLAGS: u32 = 0x40e0_0000;

/// A principal: its kind, realm and name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Principal<'a> {
    pub(super) kind: u8,
    pub(super) realm: &'a str,
    pub(super) name: &'a [&'a str],
}

/// From when until when a ticket is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

/// A cache of `client` with a ticket for each of `servers`; `realm` is who issues the tickets.
pub(super) fn cache(
    client: Principal<'_>,
    realm: &str,
    servers: &[Principal<'_>],
    validity: Validity,
) -> Vec<u8> {
    let mut out = vec![0x05, 0x04];
    // No header fields.
    out.extend(0_u16.to_be_bytes());
    principal(&mut out, client);
    for server in servers {
        credential(&mut out, client, *server, realm, validity);
    }
    out
}

fn credential(
    out: &mut Vec<u8>,
    client: Principal<'_>,
    server: Principal<'_>,
    realm: &str,
    validity: Validity,
) {
    principal(out, client);
    principal(out, server);
    out.extend(u16::from(ENCRYPTION_TYPE).to_be_bytes());
    data(out, &random(KEY_LENGTH));
    let (start, end) = (seconds(validity.start), seconds(validity.end));
    for time in [start, start, end, end] {
        out.extend(time.to_be_bytes());
    }
    // The key belongs to the session and not to a user-to-user exchange.
    out.push(0);
    out.extend(FLAGS.to_be_bytes());
    // No addresses, no authorization data.
    out.extend(0_u32.to_be_bytes());
    out.extend(0_u32.to_be_bytes());
    data(out, &ticket(server, realm));
    // No second ticket.
    data(out, &[]);
}

/// A ticket that is well-formed and that nobody can open.
fn ticket(server: Principal<'_>, realm: &str) -> Vec<u8> {
    let names: Vec<Vec<u8>> = server.name.iter().map(|part| der::string(part)).collect();
    let name =
        der::sequence(&[der::tagged(0, &der::integer(server.kind)), der::tagged(1, &der::sequence(&names))]);
    let sealed = der::sequence(&[
        der::tagged(0, &der::integer(ENCRYPTION_TYPE)),
        der::tagged(1, &der::integer(1)),
        der::tagged(2, &der::octets(&random(SEALED_LENGTH))),
    ]);
    let body = der::sequence(&[
        der::tagged(0, &der::integer(PROTOCOL)),
        der::tagged(1, &der::string(realm)),
        der::tagged(2, &name),
        der::tagged(3, &sealed),
    ]);
    der::application(1, &body)
}

fn principal(out: &mut Vec<u8>, principal: Principal<'_>) {
    out.extend(u32::from(principal.kind).to_be_bytes());
    out.extend(length(principal.name.len()).to_be_bytes());
    data(out, principal.realm.as_bytes());
    for part in principal.name {
        data(out, part.as_bytes());
    }
}

fn data(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(length(bytes.len()).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Lengths here are a few hundred at most.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Seconds since 1970 as the format counts them, unsigned (until the year 2106).
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_second().max(0)).unwrap_or(u32::MAX)
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
