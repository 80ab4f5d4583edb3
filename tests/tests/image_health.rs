//! Image health against the sandbox's catalog, advisory files, Pyxis and GitLab.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use oar_core::clients::Effect;
use oar_core::clients::advisory_content::AdvisoryContentClient;
use oar_core::clients::catalog::CatalogClient;
use oar_core::clients::gitlab::{GitlabClient, MergeRequestRef};
use oar_core::clients::pyxis::PyxisClient;
use oar_core::clock::{Clock, ClockSource};
use oar_core::config::Origins;
use oar_core::error::{Classified as _, ErrorClass, ServiceError};
use oar_core::http::{Http, HttpSettings};
use oar_core::ids::Nvr;
use oar_core::operators::image_health::{
    Accepts, AdvisoryGrades, AdvisoryToCheck, Conclusion, ContainerGrade, Grade, GradeCache, HealthPolicy,
    HealthReport, ImageHealth, NoteTarget, ShipmentAdvisory, Waiver,
};
use oar_core::permit::WritePermit;
use oar_core::redact::Redactor;
use sandbox::services::advisory_content::File;
use sandbox::services::catalog::GradeWindow;
use sandbox::{Fault, FaultKind, Options, Sandbox, credentials, scenario};

const ADDRESS: &str = "https://gitlab.example.test/demo/advisories/-/raw/main/2026/90001/advisory.yaml";

/// Stands still; waits take no time.
struct Still;

impl ClockSource for Still {
    fn now(&self) -> Timestamp {
        "2026-07-02T12:00:00Z".parse().unwrap()
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> f64 {
        0.0
    }
}

fn http() -> Http {
    let settings = HttpSettings { timeout: Duration::from_millis(500), ..HttpSettings::default() };
    Http::new(settings, Clock::new(Arc::new(Still)), Redactor::default()).unwrap()
}

fn health(sandbox: &Sandbox) -> ImageHealth {
    let base = |prefix: &str| format!("{}{prefix}", sandbox.base_url()).parse::<url::Url>().unwrap();
    let origins =
        Origins::new(Some("https://gitlab.example.test/demo/advisories/"), Some(&base("/advisory-content")));
    ImageHealth {
        catalog: CatalogClient::new(http(), base("/catalog-stage"), 16),
        advisory_content: AdvisoryContentClient::new(http(), origins.unwrap()),
        pyxis: PyxisClient::new(http(), base("/pyxis"), 16),
        policy: HealthPolicy::default(),
        cache: None,
        clock: Clock::new(Arc::new(Still)),
    }
}

fn start(images: usize) -> (Sandbox, ImageHealth) {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    scenario::catalog::fill(sandbox.world(), images);
    let health = health(&sandbox);
    (sandbox, health)
}

fn files() -> Vec<ShipmentAdvisory> {
    vec![
        ShipmentAdvisory { file: "a/4.19.1.image.1.yaml".into(), address: Some(ADDRESS.into()) },
        ShipmentAdvisory { file: "a/4.19.1.fbc.1.yaml".into(), address: None },
    ]
}

fn degrade(sandbox: &Sandbox, numbers: std::ops::Range<usize>, grade: &str) {
    let mut catalog = sandbox.world().catalog.lock();
    for number in numbers {
        assert!(catalog.set_grade(&scenario::catalog::digest(number), grade));
    }
}

fn catalog_requests(sandbox: &Sandbox) -> usize {
    sandbox.requests().iter().filter(|request| request.service == "catalog-stage").count()
}

async fn check(health: &ImageHealth) -> HealthReport {
    health.check_shipment(&files()).await
}

#[tokio::test]
async fn healthy_images_pass_in_few_requests() {
    let (sandbox, health) = start(860);
    let report = check(&health).await;
    assert_eq!(report.conclusion(), Conclusion::Healthy, "{}", report.summary());
    let counts = report.counts();
    assert_eq!((counts.scanned, counts.healthy, counts.unhealthy, counts.unknown), (860, 860, 0, 0));
    let requests = catalog_requests(&sandbox);
    assert!(requests <= 20, "{requests} requests for 860 images");
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn a_grade_that_the_schedule_drops_soon_is_told_and_changes_no_verdict() {
    let (sandbox, mut health) = start(60);
    let window = |grade: &str, start: &str, end: Option<&str>| GradeWindow {
        end: end.map(str::to_owned),
        ..GradeWindow::since(grade, start)
    };
    let schedule = |drop: &str| {
        Some(vec![window("A", "2026-06-01T00:00:00+00:00", Some(drop)), window("C", drop, None)])
    };
    for (number, drop) in
        [(3, "2026-07-20T00:00:00+00:00"), (4, "2026-07-10T00:00:00+00:00"), (5, "2026-09-30T00:00:00+00:00")]
    {
        let digest = scenario::catalog::digest(number);
        sandbox.world().catalog.lock().images.get_mut(&digest).unwrap().grades = schedule(drop);
    }
    let silent = check(&health).await;
    assert!(silent.drops.is_empty() && !silent.summary().contains("will not be healthy"));
    health.policy.warn_days = 30;
    let report = check(&health).await;
    assert_eq!((report.conclusion(), report.class()), (Conclusion::Healthy, None), "{}", report.summary());
    assert_eq!(report.counts(), silent.counts());
    assert_eq!(report.drops.len(), 2, "{:?}", report.drops);
    let first = report.drops[0].to_string();
    assert!(first.ends_with("drops to C on 2026-07-10"), "{first}");
    let told = format!("2 of the healthy images will not be healthy in 30 days, the first: {first}");
    assert!(report.summary().ends_with(&told), "{}", report.summary());
    let facts = serde_json::to_value(report.facts()).unwrap();
    assert_eq!(facts["drops"][1]["at"], "2026-07-20T00:00:00Z");
    assert_eq!(facts["drops"][1]["grade"], "C");
    let note = report.note("4.19.1");
    assert!(
        note.contains("Healthy today, and not in 30 days") && note.contains("drops to C on 2026-07-20"),
        "{note}"
    );
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn a_catalog_without_lists_is_asked_one_by_one_with_the_same_result() {
    let (sandbox, health) = start(120);
    degrade(&sandbox, 4..6, "C");
    let batched = check(&health).await;
    sandbox.world().catalog.lock().refuse_lists = true;
    let single = check(&self::health(&sandbox)).await;
    assert_eq!(single, batched);
    assert_eq!(single.counts().unhealthy, 2);
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn three_images_that_time_out_make_the_result_incomplete_and_never_a_pass() {
    let (sandbox, health) = start(60);
    sandbox.world().catalog.lock().refuse_lists = true;
    sandbox.world().catalog.lock().broken = (0..3).map(scenario::catalog::digest).collect();
    let report = check(&health).await;
    let counts = report.counts();
    assert_eq!((counts.scanned, counts.healthy, counts.unhealthy, counts.unknown), (60, 57, 0, 3));
    assert_eq!(report.conclusion(), Conclusion::Incomplete);
    assert_eq!(report.class(), Some(ErrorClass::Unavailable), "running again may help");
    assert!(report.note("4.19.1").contains("not complete"));
}

#[tokio::test]
async fn a_catalog_that_is_down_for_a_moment_is_asked_again() {
    let (sandbox, health) = start(60);
    sandbox.faults().add(Fault::on("catalog-stage", FaultKind::DropBefore));
    sandbox.faults().add(Fault::on("catalog-stage", FaultKind::Hang).skip(1));
    assert_eq!(check(&health).await.conclusion(), Conclusion::Healthy);
}

#[tokio::test]
async fn a_catalog_that_is_down_is_no_pass() {
    let (sandbox, health) = start(60);
    sandbox.faults().add(Fault::on("catalog-stage", FaultKind::DropBefore).forever());
    let report = check(&health).await;
    assert_eq!((report.counts().unknown, report.conclusion()), (60, Conclusion::Incomplete));
}

#[tokio::test]
async fn without_images_nothing_passes() {
    let (sandbox, health) = start(8);
    for (file, words) in [
        (Some(File::Page("Sign in".into())), "HTML page: Sign in"),
        (Some(File::Yaml("spec:\n  content:\n    images: null\n".into())), "no list"),
        (Some(File::Yaml("spec:\n  content:\n    images: []\n".into())), "no list"),
        (Some(File::Yaml("spec:\n  content: \"\"\n".into())), "no list"),
        (Some(File::Yaml("spec: [".into())), "not the YAML"),
        (Some(File::Moved("https://elsewhere.example.test/a?token=x".into())), "redirected to elsewhere"),
        (None, "404"),
    ] {
        {
            let mut content = sandbox.world().advisory_content.lock();
            content.files.remove(scenario::catalog::ADVISORY_PATH);
            content
                .files
                .extend(file.clone().map(|file| (scenario::catalog::ADVISORY_PATH.to_owned(), file)));
        }
        let report = check(&health).await;
        assert_eq!(report.conclusion(), Conclusion::Incomplete, "{file:?}");
        assert!(report.summary().contains(words), "{file:?}: {}", report.summary());
    }
    let none = health.check(&[]).await;
    assert_eq!(none.conclusion(), Conclusion::Incomplete);
    assert!(none.summary().contains("proves nothing"), "{}", none.summary());
}

#[tokio::test]
async fn an_address_outside_the_allowed_origins_is_not_asked() {
    let (sandbox, health) = start(8);
    let outside = |address: &str| {
        vec![ShipmentAdvisory { file: "x.image.yaml".into(), address: Some(address.to_owned()) }]
    };
    for address in ["https://gitlab.example.test/other/a.yaml", &format!("{}/jira/a", sandbox.base_url())] {
        let report = health.check_shipment(&outside(address)).await;
        assert!(report.summary().contains("not an allowed origin"), "{}", report.summary());
    }
    assert!(sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_missing_address_is_a_gap_beside_what_was_checked() {
    let (_sandbox, health) = start(8);
    let mut files = files();
    files.push(ShipmentAdvisory { file: "a/4.19.1.extras.1.yaml".into(), address: None });
    let report = health.check_shipment(&files).await;
    assert_eq!((report.counts().healthy, report.conclusion()), (8, Conclusion::Incomplete));
    assert!(report.summary().contains("extras"), "{}", report.summary());
}

#[tokio::test]
async fn an_odd_grade_is_unknown_and_a_name_without_digest_too() {
    let (sandbox, health) = start(8);
    {
        let mut catalog = sandbox.world().catalog.lock();
        catalog.images.get_mut(&scenario::catalog::digest(0)).unwrap().grades = None;
        catalog.images.remove(&scenario::catalog::digest(1));
        catalog.set_grade(&scenario::catalog::digest(2), "A+");
    }
    let report = check(&health).await;
    assert_eq!((report.counts().unknown, report.counts().healthy), (3, 5));
    assert_eq!(report.class(), Some(ErrorClass::Unavailable), "what is not known is no finding");
}

#[tokio::test]
async fn threshold_and_waivers_decide_and_are_said() {
    let (sandbox, mut health) = start(16);
    degrade(&sandbox, 0..4, "C");
    assert_eq!(check(&health).await.conclusion(), Conclusion::Unhealthy);

    health.policy.unhealthy_allowed = 4;
    assert_eq!(check(&health).await.conclusion(), Conclusion::Healthy);
    health.policy.unhealthy_allowed = 3;
    assert_eq!(check(&health).await.conclusion(), Conclusion::Unhealthy);

    health.policy.unhealthy_allowed = 0;
    health.policy.waivers = vec![Waiver {
        component: scenario::catalog::name(0),
        accepts: Accepts::Grade(Grade::C),
        until: "2026-07-31".parse().unwrap(),
        who: "demo-lead".into(),
        why: "known mismatch".into(),
    }];
    let report = check(&health).await;
    assert_eq!((report.conclusion(), report.counts().waived), (Conclusion::Healthy, 4));
    assert!(report.note("4.19.1").contains("waived by demo-lead: known mismatch"));
    degrade(&sandbox, 0..1, "D");
    assert_eq!(check(&health).await.conclusion(), Conclusion::Unhealthy, "worse than was accepted");
}

#[tokio::test]
async fn the_note_of_701_unhealthy_images_is_bounded_and_one() {
    let (sandbox, health) = start(851);
    degrade(&sandbox, 0..701, "D");
    let report = check(&health).await;
    assert_eq!((report.counts().unhealthy, report.conclusion()), (701, Conclusion::Unhealthy));
    let note = report.note("4.19.1");
    assert!(note.chars().count() < 200_000, "{} characters", note.chars().count());
    assert!(note.contains("Unhealthy components: 701") && note.contains("200 of 701 are shown"));
    assert!(note.contains("demo-libs-3.2.2-6.el9"), "{note}");

    let token = Some(credentials::GITLAB_TOKEN.to_owned().into());
    let gitlab = GitlabClient::new(http(), format!("{}/gitlab", sandbox.base_url()).parse().unwrap(), token);
    let merge_request =
        MergeRequestRef { project: scenario::SHIPMENT_PROJECT.into(), iid: scenario::SHIPMENT_IID };
    let target = NoteTarget { gitlab: &gitlab, merge_request: &merge_request, release: "4.19.1" };
    let permit = WritePermit::granted_by_user_interface();
    assert_eq!(report.publish(target, &permit).await.unwrap(), Effect::Changed);
    assert_eq!(report.publish(target, &permit).await.unwrap(), Effect::AlreadySo);
    degrade(&sandbox, 0..701, "A");
    let healthy = check(&health).await;
    assert_eq!(healthy.publish(target, &permit).await.unwrap(), Effect::Changed);
    let notes = gitlab.notes(&merge_request).await.unwrap().notes;
    let ours: Vec<_> = notes.iter().filter(|note| note.body.contains("oar:image-health")).collect();
    assert_eq!(ours.len(), 1, "one note, edited in place");
    assert!(ours[0].body.contains("Unhealthy components: 0"), "{}", ours[0].body);
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn a_note_whose_answer_was_lost_is_not_added_twice() {
    let (sandbox, health) = start(8);
    let report = check(&health).await;
    let token = Some(credentials::GITLAB_TOKEN.to_owned().into());
    let gitlab = GitlabClient::new(http(), format!("{}/gitlab", sandbox.base_url()).parse().unwrap(), token);
    let merge_request =
        MergeRequestRef { project: scenario::SHIPMENT_PROJECT.into(), iid: scenario::SHIPMENT_IID };
    let target = NoteTarget { gitlab: &gitlab, merge_request: &merge_request, release: "4.19.1" };
    let permit = WritePermit::granted_by_user_interface();
    sandbox.faults().add(Fault::on("gitlab", FaultKind::DropAfter).method("POST"));
    assert_eq!(report.publish(target, &permit).await.unwrap(), Effect::Changed);
    assert_eq!(report.publish(target, &permit).await.unwrap(), Effect::AlreadySo);
    let notes = gitlab.notes(&merge_request).await.unwrap().notes;
    assert_eq!(notes.iter().filter(|note| note.body.contains("oar:image-health")).count(), 1);
}

#[tokio::test]
async fn healthy_grades_are_remembered_and_the_file_may_be_lost_or_damaged() {
    let (sandbox, mut health) = start(40);
    degrade(&sandbox, 0..1, "C");
    let home = tempfile::tempdir().unwrap();
    health.cache = Some(GradeCache::new(home.path(), "one"));
    let first = check(&health).await;
    sandbox.clear_requests();
    assert_eq!(check(&health).await, first);
    assert_eq!(
        catalog_requests(&sandbox),
        2,
        "the unhealthy image and its vulnerabilities are asked for again"
    );
    let file = home.path().join("image-grades.json");
    std::fs::write(&file, "damaged").unwrap();
    assert_eq!(check(&health).await, first);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(check(&health).await, first);
    health.cache = Some(GradeCache::new(home.path(), "another catalog"));
    sandbox.clear_requests();
    assert_eq!(check(&health).await, first);
    assert!(catalog_requests(&sandbox) > 1, "grades of another catalog do not count");
}

/// What Errata Tool says, by advisory.
struct Pages;

#[async_trait::async_trait]
impl AdvisoryGrades for Pages {
    async fn container_grade(
        &self,
        advisory: oar_core::clients::errata::AdvisoryId,
    ) -> Result<ContainerGrade, ServiceError> {
        Ok(match advisory.number() {
            140_002 => ContainerGrade::Graded(Grade::C),
            140_004 => ContainerGrade::Graded(Grade::B),
            _ => ContainerGrade::NoContainers,
        })
    }

    async fn builds_of(
        &self,
        _advisory: oar_core::clients::errata::AdvisoryId,
    ) -> Result<Vec<Nvr>, ServiceError> {
        let builds =
            ["ose-demo-image-container-v4.14.60-202606290001.p0.el9", "ose-gone-container-v4.14.60-1"];
        Ok(builds.map(|build| build.parse().unwrap()).into())
    }
}

fn advisories(list: &[(&str, u64)]) -> Vec<AdvisoryToCheck> {
    list.iter()
        .map(|(impetus, id)| AdvisoryToCheck {
            impetus: (*impetus).to_owned(),
            id: oar_core::clients::errata::AdvisoryId::new(*id),
        })
        .collect()
}

#[tokio::test]
async fn the_errata_flow_looks_at_builds_of_unhealthy_advisories_only() {
    let (sandbox, health) = start(0);
    let nvr = "ose-demo-image-container-v4.14.60-202606290001.p0.el9";
    {
        let mut pyxis = sandbox.world().pyxis.lock();
        let grades =
            |grade: &str| Some(vec![sandbox::services::catalog::GradeWindow::since(grade, "2026-01-01")]);
        pyxis.builds.insert(nvr.into(), vec![("amd64".into(), grades("C")), ("arm64".into(), None)]);
    }
    let all = advisories(&[("rpm", 140_001), ("image", 140_002), ("metadata", 140_004), ("rhcos", 140_005)]);
    let report = health.check_advisories(&all, &Pages).await;
    let counts = report.counts();
    assert_eq!((counts.healthy, counts.unhealthy, counts.unknown), (1, 1, 2), "{report:#?}");
    assert_eq!(report.conclusion(), Conclusion::Unhealthy);
    assert!(report.notes.iter().any(|note| note.contains("140005") && note.contains("no containers")));
    assert!(sandbox.requests().iter().all(|request| request.service == "pyxis"));

    let packages = health.check_advisories(&advisories(&[("rpm", 140_001)]), &Pages).await;
    assert_eq!((packages.conclusion(), packages.class()), (Conclusion::NotApplicable, None));
    let nothing = health.check_advisories(&[], &Pages).await;
    assert_eq!(nothing.conclusion(), Conclusion::Incomplete);
}

#[tokio::test]
async fn a_catalog_that_misreads_lists_changes_no_verdict() {
    let (sandbox, health) = start(120);
    degrade(&sandbox, 4..6, "C");
    let batched = check(&health).await;
    assert_eq!(batched.counts().unhealthy, 2);
    // An answer that leaves images out, and one that is empty, are no findings about them.
    sandbox.world().catalog.lock().left_out_of_lists = (0..3).map(scenario::catalog::digest).collect();
    assert_eq!(check(&self::health(&sandbox)).await, batched);
    sandbox.world().catalog.lock().misreads_lists = true;
    assert_eq!(check(&self::health(&sandbox)).await, batched);
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn a_removed_record_says_nothing_and_a_second_one_counts() {
    let (sandbox, health) = start(8);
    {
        let mut catalog = sandbox.world().catalog.lock();
        let (first, second, third) =
            (scenario::catalog::digest(0), scenario::catalog::digest(1), scenario::catalog::digest(2));
        let image = catalog.images[&first].clone();
        let graded = |grade: &str, deleted: bool| {
            let mut image = image.clone();
            image.grades = Some(vec![sandbox::services::catalog::GradeWindow::since(
                grade,
                "2026-01-01T00:00:00+00:00",
            )]);
            image.deleted = deleted;
            image
        };
        // A removed record beside the image's own, a worse one that is in force, and nothing but a removed one.
        catalog.more_records.push((first, graded("F", true)));
        catalog.more_records.push((second, graded("D", false)));
        catalog.images.insert(third, graded("A", true));
    }
    let counts = check(&health).await;
    let report = counts.summary();
    let counts = counts.counts();
    assert_eq!((counts.healthy, counts.unhealthy, counts.unknown), (6, 1, 1), "{report}");
    assert!(report.contains("unhealthy"), "{report}");
}

#[tokio::test]
async fn pyxis_may_want_a_ticket_and_leave_the_architecture_out() {
    let (sandbox, health) = start(8);
    let nvr = sandbox.world().pyxis.lock().builds.keys().next().unwrap().clone();
    if let Some(grades) = sandbox.world().pyxis.lock().builds.get_mut(&nvr) {
        grades.truncate(1);
        grades[0].0.clear();
    }
    let nvr: Nvr = nvr.parse().unwrap();
    let found = health.pyxis.grades_of_build(&nvr).await.unwrap();
    assert_eq!((found.len(), found[0].architecture.as_str()), (1, "amd64"));
    sandbox.world().pyxis.lock().wants_ticket = true;
    let error = health.pyxis.grades_of_build(&nvr).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(
        error.to_string().contains("KRB5CCNAME") && error.to_string().contains("OAR_ENDPOINT_PYXIS"),
        "{error}"
    );
}
