//! Signatures by keys that these tests make, and by GnuPG (`data/`, made once with keys that were thrown away).

use jiff::Timestamp;
use pgp::composed::{ArmorOptions, KeyType, MessageBuilder, SecretKeyParamsBuilder, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::types::{KeyDetails as _, Password};
use proptest::prelude::*;
use rand_08::rngs::OsRng;

use super::*;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const REFERENCE: &str = "registry.example.com/demo/release:4.19.1-x86_64";
const CLAIM: &[u8] = include_bytes!("data/claim.json");

pub(crate) fn make_key() -> SignedSecretKey {
    SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_sign(true)
        .can_certify(true)
        .primary_user_id("Test <test@example.com>".to_owned())
        .build()
        .unwrap()
        .generate(OsRng)
        .unwrap()
}

pub(crate) fn armored(key: &SignedSecretKey) -> String {
    key.to_public_key().to_armored_string(ArmorOptions::default()).unwrap()
}

pub(crate) fn sign_with(key: &SignedSecretKey, content: &[u8], hash: HashAlgorithm) -> Vec<u8> {
    let mut message = MessageBuilder::from_bytes("", content.to_vec());
    message.sign(&key.primary_key, Password::empty(), hash);
    message.to_vec(OsRng).unwrap()
}

pub(crate) fn keys_of(armored: &str) -> ReleaseKeys {
    let mut keys = ReleaseKeys::default();
    keys.add("demo", armored).unwrap();
    keys
}

pub(crate) fn claim_of(digest: &str, reference: &str) -> Vec<u8> {
    serde_json::json!({"critical": {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": "atomic container signature",
    }, "optional": {}})
    .to_string()
    .into_bytes()
}

fn check(file: &[u8], keys: &ReleaseKeys, now: Timestamp) -> Result<Verified, SignatureFault> {
    verify(file, keys, &DIGEST.parse().unwrap(), &[REFERENCE.to_owned()], now)
}

fn message_fault(file: &[u8], keys: &ReleaseKeys, now: Timestamp) -> MessageFault {
    match check(file, keys, now) {
        Err(SignatureFault::Message(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_signature_is_verified() {
    let key = make_key();
    let keys = keys_of(&armored(&key));
    let file = sign_with(&key, CLAIM, HashAlgorithm::Sha256);
    let verified = check(&file, &keys, Timestamp::now()).unwrap();
    assert_eq!(verified.key, "demo");
    assert_eq!(verified.fingerprint, keys::upper_hex(key.fingerprint().as_bytes()));
    assert!(verified.made_at.is_some());
}

#[test]
fn gnupg_signs_and_compresses_and_is_verified() {
    let keys = keys_of(include_str!("data/unit.asc"));
    let verified = check(include_bytes!("data/unit.sig"), &keys, Timestamp::now()).unwrap();
    assert_eq!(verified.fingerprint, "F3638E4FA4561A9BEB2982D299F30A34CF80A257");
    assert_eq!(verified.made_at.unwrap().to_string(), "2025-01-02T00:00:00Z");
}

#[test]
fn each_fault_has_its_own_words() {
    let (key, other) = (make_key(), make_key());
    let (keys, now) = (keys_of(&armored(&key)), Timestamp::now());
    let file = sign_with(&key, CLAIM, HashAlgorithm::Sha256);

    assert_eq!(message_fault(b"", &keys, now), MessageFault::Empty);
    assert!(matches!(message_fault(b"<html>404</html>", &keys, now), MessageFault::Damaged(_)));
    let wrong = sign_with(&other, CLAIM, HashAlgorithm::Sha256);
    assert!(matches!(message_fault(&wrong, &keys, now), MessageFault::OtherKey { .. }));
    let unit = keys_of(include_str!("data/unit.asc"));
    let weak = message_fault(include_bytes!("data/unit-sha1.sig"), &unit, now);
    assert!(matches!(weak, MessageFault::WeakHash { .. }), "{weak:?}");

    // One letter of the digest inside is another one.
    let place = file.windows(8).position(|window| window == b"aaaaaaaa").unwrap();
    let mut changed = file.clone();
    changed[place] = b'b';
    let fault = message_fault(&changed, &keys, now);
    assert!(matches!(fault, MessageFault::Tampered { .. }), "{fault:?}");
    assert!(SignatureFault::from(fault).is_alarming());

    let unsigned = MessageBuilder::from_bytes("", CLAIM.to_vec()).to_vec(OsRng).unwrap();
    assert_eq!(message_fault(&unsigned, &keys, now), MessageFault::NotSigned);
    let large = sign_with(&key, &vec![b' '; 100_000], HashAlgorithm::Sha256);
    assert_eq!(message_fault(&large, &keys, now), MessageFault::TooLarge);
    let before = now - jiff::SignedDuration::from_hours(20);
    assert!(matches!(message_fault(&file, &keys, before), MessageFault::NotNow { .. }));
}

/// A message with the old order of packets, whose signature packet has version 3 and names `key`. No tool
/// makes real ones any more; it is not verified, so the value of the signature does not matter.
fn with_version_3(key: &SignedSecretKey, content: &[u8]) -> Vec<u8> {
    use pgp::packet::PacketTrait as _;
    let mut packet = vec![3, 5, 0];
    packet.extend(1_554_833_664_u32.to_be_bytes());
    packet.extend(key.legacy_key_id().as_ref());
    // RSA with SHA-256, the first two bytes of the hash, and a number of nine bits.
    packet.extend([1, 8, 0xab, 0xcd, 0, 9, 1, 0xff]);
    let mut file = vec![0x88, u8::try_from(packet.len()).unwrap()];
    file.extend(packet);
    let literal = pgp::packet::LiteralData::from_bytes("", content.to_vec().into()).unwrap();
    literal.to_writer_with_header(&mut file).unwrap();
    file
}

#[test]
fn an_old_form_is_unsupported_and_not_called_changed() {
    let key = make_key();
    let (keys, now) = (keys_of(&armored(&key)), Timestamp::now());
    let fault = message_fault(&with_version_3(&key, CLAIM), &keys, now);
    assert_eq!(fault, MessageFault::Unsupported { version: "version 3".into() });
    let fault = SignatureFault::from(fault);
    assert!(fault.is_unsupported() && !fault.is_alarming(), "{fault}");
    assert!(fault.to_string().contains("version 3, which is not supported"), "{fault}");
}

#[test]
fn keys_are_read_as_they_are_published() {
    let (first, second) = (make_key(), make_key());
    let text = format!(
        "pub   4096R/FD431D51 2009-10-22\r\nuid   Demo (release key)\r\n\r\n{}\nand another one:\n{}",
        armored(&first).replace('\n', "\r\n"),
        armored(&second)
    );
    let keys = keys_of(&text);
    for key in [&first, &second] {
        check(&sign_with(key, CLAIM, HashAlgorithm::Sha256), &keys, Timestamp::now()).unwrap();
    }
    assert!(is_key_text(&text) && !is_key_text("keys/release-key.asc"));
}

#[test]
fn the_production_keys_are_part_of_the_program() {
    let keys = ReleaseKeys::production().unwrap();
    let names = keys.describe();
    assert!(names.contains("redhatrelease2 (567E347AD0044ADE55BA8A5F199E2F91FD431D51)"), "{names}");
    assert!(names.contains("beta2 (B08B659EE86AF623BC90E8DB938A80CAF21541EB)"), "{names}");
    assert!(keys.has_sigstore());
    // Both are valid now, so that a signature by them counts.
    assert_eq!(
        keys.candidates(Timestamp::now()).iter().filter(|one| one.validity == keys::Validity::Good).count(),
        2
    );
}

#[test]
#[ignore = "needs real files: OAR_SAMPLES=DIR cargo test -p oar-core --lib signature -- --ignored"]
fn published_signatures_are_verified() {
    let samples = std::env::var_os("OAR_SAMPLES").expect("OAR_SAMPLES names a directory with signatures/");
    let folder = std::path::Path::new(&samples).join("signatures");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (keys, now) = (ReleaseKeys::production().unwrap(), Timestamp::now());
    let repository = crate::operators::release_signature::REPOSITORY;
    for (file, digest, tag) in [
        (
            "4.16.37-x86_64.signature-3",
            "0065822bf39b11e3a3113eb2dee4bddf0a07fe0967892498771bd9728e145ad0",
            "4.16.37",
        ),
        (
            "4.15.49-x86_64.signature-2",
            "7039e7bd34fd024ff619df914528c8d85e62b847291f6684096fd4ca8dba2bbd",
            "4.15.49",
        ),
    ] {
        let digest: Digest = format!("sha256:{digest}").parse().unwrap();
        let reference = [format!("{repository}:{tag}-x86_64")];
        let verified = verify(&read(file), &keys, &digest, &reference, now).unwrap();
        assert_eq!((verified.key.as_str(), verified.preview), ("redhatrelease2", false), "{file}");
        let mut beta = ReleaseKeys::default();
        beta.add("beta2", &String::from_utf8(read("keys/redhat-beta-key-2.txt")).unwrap()).unwrap();
        let fault = verify(&read(file), &beta, &digest, &reference, now).unwrap_err();
        assert!(matches!(fault, SignatureFault::Message(MessageFault::OtherKey { .. })), "{fault}");
    }
    let old = open(&read("rhel7-7.6-v3-packet.signature-1"), &keys, now).unwrap_err();
    assert_eq!(old, MessageFault::Unsupported { version: "version 3".into() });
}

#[test]
fn another_digest_and_another_reference_are_told_apart() {
    let key = make_key();
    let (keys, now) = (keys_of(&armored(&key)), Timestamp::now());
    let signed = |content: &[u8]| sign_with(&key, content, HashAlgorithm::Sha512);
    let digest = check(&signed(&claim_of(&DIGEST.replace('a', "b"), REFERENCE)), &keys, now).unwrap_err();
    assert!(digest.to_string().contains("another digest"), "{digest}");
    let reference = check(&signed(&claim_of(DIGEST, &format!("{REFERENCE}2"))), &keys, now).unwrap_err();
    assert!(reference.to_string().contains("another reference"), "{reference}");
    let text = check(&signed(b"hello"), &keys, now).unwrap_err();
    assert!(text.to_string().contains("not a container signature"), "{text}");
}

#[test]
fn an_expired_key_signs_nothing_any_more() {
    let keys = keys_of(include_str!("data/expired.asc"));
    let file = include_bytes!("data/expired.sig");
    let then: Timestamp = "2025-01-10T00:00:00Z".parse().unwrap();
    assert!(check(file, &keys, then).is_ok());
    let fault = message_fault(file, &keys, "2025-02-10T00:00:00Z".parse().unwrap());
    assert!(fault.to_string().contains("expired at 2025-01-31T00:00:00Z"), "{fault}");
}

#[test]
fn a_file_that_ends_too_early_is_never_good() {
    let keys = keys_of(include_str!("data/expired.asc"));
    let file = include_bytes!("data/expired.sig");
    let then: Timestamp = "2025-01-10T00:00:00Z".parse().unwrap();
    for length in 0..file.len() {
        assert!(check(&file[..length], &keys, then).is_err(), "{length} bytes");
    }
    let half = message_fault(&file[..file.len() / 2], &keys, then);
    assert!(half.to_string().contains("damaged or incomplete"), "{half}");
}

#[test]
fn only_public_keys_are_keys() {
    let mut keys = ReleaseKeys::default();
    let empty = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n";
    for text in ["", "hello", empty] {
        let fault = keys.add("demo", text).unwrap_err();
        assert!(fault.to_string().contains("OpenPGP public key"), "{text}: {fault}");
    }
    assert!(keys.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn one_flipped_bit_never_makes_a_good_signature_of_something_else(place in 0_usize..468, bit in 0_u8..8) {
        let keys = keys_of(include_str!("data/expired.asc"));
        let mut file = include_bytes!("data/expired.sig").to_vec();
        file[place] ^= 1 << bit;
        let then: Timestamp = "2025-01-10T00:00:00Z".parse().unwrap();
        // Either refused, or the bit is outside the signed part and the content is the same.
        if let Ok((content, _)) = open(&file, &keys, then) {
            prop_assert_eq!(content, CLAIM);
        }
    }

    #[test]
    fn no_file_is_a_panic(file in proptest::collection::vec(any::<u8>(), 0..300)) {
        let keys = keys_of(include_str!("data/expired.asc"));
        prop_assert!(open(&file, &keys, Timestamp::UNIX_EPOCH).is_err());
    }
}
