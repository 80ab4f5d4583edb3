//! A private authority, as companies have.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use super::support::{stack, to_upgrade};
use crate::clock::Clock;
use crate::error::{Classified, ErrorClass, ServiceErrorKind};
use crate::http::{Call, Http, HttpSettings, HttpSetupError};
use crate::redact::Redactor;
use crate::service::Service;

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn certificate(name: &str, serial: u32, key: &PKey<Private>) -> X509Builder {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder
}

/// A new authority in PEM, and the URL of an HTTPS server with a certificate of that authority.
fn server_of_private_authority() -> (Vec<u8>, String) {
    let authority_key = key();
    let mut builder = certificate("Example Test Authority", 1, &authority_key);
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    builder
        .append_extension(KeyUsage::new().critical().key_cert_sign().digital_signature().build().unwrap())
        .unwrap();
    let own_name = X509NameBuilder::new().map(|mut name| {
        name.append_entry_by_text("CN", "Example Test Authority").unwrap();
        name.build()
    });
    builder.set_issuer_name(&own_name.unwrap()).unwrap();
    builder.sign(&authority_key, MessageDigest::sha256()).unwrap();
    let authority = builder.build();

    let server_key = key();
    let mut builder = certificate("localhost", 2, &server_key);
    builder.set_issuer_name(authority.subject_name()).unwrap();
    let names = {
        let context = builder.x509v3_context(Some(&authority), None);
        SubjectAlternativeName::new().dns("localhost").build(&context).unwrap()
    };
    builder.append_extension(names).unwrap();
    builder.sign(&authority_key, MessageDigest::sha256()).unwrap();

    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&server_key).unwrap();
    acceptor.set_certificate(&builder.build()).unwrap();
    let acceptor = Arc::new(acceptor.build());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that does not trust us breaks the handshake.
            let Ok(mut stream) = acceptor.accept(stream.unwrap()) else { continue };
            let mut request = [0; 4096];
            if let Ok(length) = stream.read(&mut request) {
                let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
                let answer = if request.contains("\r\nupgrade: ") {
                    super::support::UPGRADED
                } else {
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nfine"
                };
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (authority.to_pem().unwrap(), url)
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_named_and_only_then() {
    let (authority, url) = server_of_private_authority();
    let call = Call::get(Service::Errata, "read", url.parse().unwrap());

    let (trusting, _) = stack(HttpSettings { ca_bundle: Some(authority), ..HttpSettings::default() });
    assert_eq!(trusting.certificates().ends(jiff::Timestamp::MIN), []);
    assert_eq!(trusting.send(call.clone()).await.unwrap().body, "fine");
    let ends = trusting.hurried(Duration::from_secs(9)).unwrap().certificates().ends(jiff::Timestamp::MIN);
    let [(host, end)] = &ends[..] else { panic!("{ends:?}") };
    let left = end.as_second() - jiff::Timestamp::now().as_second();
    assert!(host == "localhost" && (1..=2 * 86_400).contains(&left), "{ends:?}");
    trusting.upgrade(to_upgrade(&url)).await.unwrap();

    let (other_authority, _) = server_of_private_authority();
    for bundle in [None, Some(other_authority)] {
        let (strict, _) = stack(HttpSettings { ca_bundle: bundle, ..HttpSettings::default() });
        let error = strict.send(call.clone()).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unavailable);
        assert!(error.hint().unwrap().contains("OAR_CA_BUNDLE"), "{error}");
        let error = strict.upgrade(to_upgrade(&url)).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unavailable);
        assert!(error.hint().unwrap().contains("OAR_CA_BUNDLE"), "{error}");
    }
}

#[test]
fn a_bundle_without_certificates_is_a_mistake_in_the_configuration() {
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    for bundle in ["", "no certificate", broken] {
        let settings = HttpSettings { ca_bundle: Some(bundle.into()), ..HttpSettings::default() };
        let error = Http::new(settings, Clock::system(), Redactor::default()).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.hint().unwrap().contains("OAR_CA_BUNDLE"));
        assert!(matches!(error, HttpSetupError::EmptyCaBundle | HttpSetupError::CaBundle(_)), "{bundle}");
    }
}
