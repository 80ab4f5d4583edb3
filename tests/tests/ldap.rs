//! Managers in a real directory: OpenLDAP's slapd with verified TLS.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::net::TcpListener;
use std::time::Duration;

use end_to_end::directory::{Directory, Person, free_port};
use end_to_end::{Harness, KONFLUX};
use oar_core::clients::ldap::{Absence, LdapClient, LdapSettings, ManagerLookup};
use oar_core::email::EmailAddress;
use oar_core::error::{Classified, ErrorClass, ServiceError};
use oar_core::http::Activity;

const PEOPLE: [Person<'_>; 12] = [
    Person::new("qcontact", &["qcontact@example.com"], &["boss"]),
    Person::new("boss", &["second-lead@example.com", "boss@example.com"], &[]),
    Person::new("orphan", &["orphan@example.com"], &[]),
    Person::new("stray", &["stray@example.com"], &["gone"]),
    Person::new("shy", &["shy@example.com"], &["silent"]),
    Person::new("silent", &[], &[]),
    Person::new("two", &["two@example.com"], &["silent", "boss"]),
    Person::new("twin1", &["twin@example.com"], &["boss"]),
    Person::new("twin2", &["twin@example.com"], &["boss"]),
    // People whose address stands in another attribute.
    Person { uid: "alias", attribute: "mail", mails: &["alias@example.com"], managers: &["chief"] },
    Person { uid: "chief", attribute: "mail", mails: &["chief@example.com"], managers: &["nick"] },
    Person {
        uid: "nick",
        attribute: "rhatPreferredAlias",
        mails: &["nick@example.com"],
        managers: &["boss"],
    },
];

fn trusting(directory: &Directory) -> LdapClient {
    client(&format!("ldaps://127.0.0.1:{}", directory.tls), Some(directory.certificate()))
}

fn client(url: &str, ca_bundle: Option<Vec<u8>>) -> LdapClient {
    let settings = LdapSettings { url: url.parse().unwrap(), timeout: Duration::from_secs(5), ca_bundle };
    LdapClient::new(settings, Activity::default())
}

async fn manager(client: &LdapClient, address: &str) -> Result<ManagerLookup, ServiceError> {
    client.manager_of(&EmailAddress::from_service(address).unwrap()).await
}

fn found(address: &str) -> ManagerLookup {
    ManagerLookup::Found(EmailAddress::from_service(address).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_are_found_and_each_absence_is_told_from_the_others() {
    let directory = Directory::start(&PEOPLE);
    let client = trusting(&directory);
    for (address, expected) in [
        ("qcontact@example.com", found("second-lead@example.com")),
        ("QContact@Example.com", found("second-lead@example.com")),
        ("alias@example.com", found("chief@example.com")),
        ("chief@example.com", found("nick@example.com")),
        ("nick@example.com", found("second-lead@example.com")),
        ("two@example.com", found("second-lead@example.com")),
        ("nobody@example.com", ManagerLookup::Absent(Absence::NoSuchPerson)),
        ("twin@example.com", ManagerLookup::Absent(Absence::SeveralPeople)),
        ("orphan@example.com", ManagerLookup::Absent(Absence::NoManager)),
        ("stray@example.com", ManagerLookup::Absent(Absence::ManagerGone)),
        ("shy@example.com", ManagerLookup::Absent(Absence::ManagerWithoutAddress)),
    ] {
        assert_eq!(manager(&client, address).await.unwrap(), expected, "{address}");
    }
    let plain = self::client(&format!("ldap://127.0.0.1:{}", directory.plain), None);
    assert_eq!(manager(&plain, "qcontact@example.com").await.unwrap(), found("second-lead@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_manager_is_told_by_all_addresses_and_several_are_nobody() {
    let directory = Directory::start(&PEOPLE);
    let client = trusting(&directory);
    let managers = async |address: &str| {
        let found = client.only_manager_of(&EmailAddress::from_service(address).unwrap()).await.unwrap();
        found.map(|found| found.iter().map(|address| address.expose().to_owned()).collect::<Vec<_>>())
    };
    let both = vec!["second-lead@example.com".to_owned(), "boss@example.com".to_owned()];
    assert_eq!(managers("qcontact@example.com").await, Ok(both));
    assert_eq!(managers("alias@example.com").await, Ok(vec!["chief@example.com".to_owned()]));
    for (address, absence) in [
        ("two@example.com", Absence::SeveralManagers),
        ("twin@example.com", Absence::SeveralPeople),
        ("nobody@example.com", Absence::NoSuchPerson),
        ("orphan@example.com", Absence::NoManager),
        ("stray@example.com", Absence::ManagerGone),
        ("shy@example.com", Absence::ManagerWithoutAddress),
    ] {
        assert_eq!(managers(address).await, Err(absence), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_shows_nobody_is_not_believed() {
    let directory = Directory::start(&[]);
    let client = trusting(&directory);
    let address = EmailAddress::from_service("qcontact@example.com").unwrap();
    let error = client.only_manager_of(&address).await.unwrap_err();
    assert!(error.to_string().contains("shows no people"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_cannot_change_the_question() {
    let directory = Directory::start(&PEOPLE);
    let client = trusting(&directory);
    for address in
        ["*@example.com", "qcontact*@example.com", "x)(uid=*@example.com", "\\71contact@example.com"]
    {
        let outcome = manager(&client, address).await.unwrap();
        assert_eq!(outcome, ManagerLookup::Absent(Absence::NoSuchPerson), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_trusted_or_reached_is_broken_and_not_empty() {
    let directory = Directory::start(&PEOPLE);
    let untrusted = client(&format!("ldaps://127.0.0.1:{}", directory.tls), None);
    let error = manager(&untrusted, "qcontact@example.com").await.unwrap_err();
    assert!(error.hint().unwrap().contains("OAR_CA_BUNDLE"), "{error}");
    let wrong_name = client(&format!("ldaps://localhost:{}", directory.tls), Some(directory.certificate()));
    assert!(manager(&wrong_name, "qcontact@example.com").await.is_err());
    let nobody = client(&format!("ldap://127.0.0.1:{}", free_port()), None);
    let error = manager(&nobody, "qcontact@example.com").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(!format!("{error} {error:?}").contains("qcontact"));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", silent.local_addr().unwrap());
    let settings =
        LdapSettings { url: url.parse().unwrap(), timeout: Duration::from_millis(300), ca_bundle: None };
    let silent_client = LdapClient::new(settings, Activity::default());
    let error = manager(&silent_client, "qcontact@example.com").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again_and_known_answers_are_not_asked_for() {
    let mut directory = Directory::start(&PEOPLE);
    let client = trusting(&directory);
    assert_eq!(manager(&client, "qcontact@example.com").await.unwrap(), found("second-lead@example.com"));
    directory.stop();
    assert_eq!(manager(&client, "qcontact@example.com").await.unwrap(), found("second-lead@example.com"));
    assert!(manager(&client, "orphan@example.com").await.is_err());
}

#[test]
fn the_program_tells_the_managers_of_the_contacts_of_cve_bugs() {
    let directory = Directory::start(&PEOPLE);
    let harness = directory.asked_by(Harness::new());
    {
        let mut jira = harness.sandbox.world().jira.lock();
        let contact = jira.issue("OCPBUGS-60010").unwrap().custom["customfield_10470"].clone();
        jira.issue_mut("OCPBUGS-60011").unwrap().custom.insert("customfield_10470".to_owned(), contact);
    }
    let run = harness.oar(KONFLUX, &["update-bug-list", "--notify-managers"]).expect(0);
    let slack = harness.sandbox.world().slack.lock();
    let told = slack.messages_in("#forum-qe-demo");
    assert_eq!(told.len(), 1, "{run:?}");
    assert!(told[0].text.contains("<@U0000LEAD2>: ") && told[0].text.contains("OCPBUGS-60011"), "{told:?}");
}
