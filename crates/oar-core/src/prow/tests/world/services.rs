//! The world as the services show it.

use async_trait::async_trait;

use super::*;

#[async_trait]
impl Builds for FakeWorld {
    async fn latest(
        &self,
        _release: YStream,
        kind: BuildKind,
        _arch: Arch,
    ) -> Result<Option<LatestBuild>, ServiceError> {
        self.request().await;
        let inner = locked(&self.inner);
        let Some(tag) = inner.latest(kind) else { return Ok(None) };
        let body = format!(
            "{{\n  \"name\": \"{}\",\n  \"phase\": \"Accepted\",\n  \"pullSpec\": \"{}\",\n  \"downloadURL\": \"{}\"\n}}\n",
            tag.name, tag.pull_spec, tag.download_url
        );
        Ok(Some(LatestBuild { tag: tag.clone(), body, stream: StreamName::stable(4, Arch::Amd64) }))
    }

    async fn find(&self, build: &BuildName, _arch: Arch) -> Result<BuildLookup, ServiceError> {
        self.request().await;
        let name = build.to_string();
        let inner = locked(&self.inner);
        let mut stream = inner.of_kind(build.kind()).peekable();
        if stream.peek().is_none() {
            return Ok(BuildLookup::Unknown(StreamName::stable(4, Arch::Amd64)));
        }
        Ok(stream.find(|tag| tag.name == name).cloned().map_or(BuildLookup::Absent, BuildLookup::Found))
    }

    async fn nightlies(&self, _release: YStream, _arch: Arch) -> Result<Vec<String>, ServiceError> {
        self.request().await;
        Ok(locked(&self.inner).of_kind(BuildKind::Nightly).map(|tag| tag.name.clone()).collect())
    }
}

#[async_trait]
impl TestJobs for FakeWorld {
    async fn start(&self, intent: &RunIntent, _permit: &WritePermit) -> Result<StartedRun, ServiceError> {
        if self.happens(self.chances().refused) {
            self.request().await;
            return Err(failed(Service::Gangway, ServiceErrorKind::RateLimited));
        }
        self.advance(*locked(&self.turn));
        if intent.until.is_some_and(|until| self.clock.now() > until) {
            return Err(failed(Service::Gangway, ServiceErrorKind::Unavailable));
        }
        let acts = !self.happens(self.chances().lost);
        let id = acts.then(|| self.new_run(intent));
        let lost = self.happens(self.chances().lost);
        // Dead after it acted, or before the answer was read: the id is not recorded.
        self.request().await;
        match id {
            Some(id) if !lost => Ok(StartedRun::New { id }),
            Some(_) | None => Err(failed(Service::Gangway, ServiceErrorKind::Unclear)),
        }
    }

    async fn find(&self, intent: &RunIntent) -> Result<Option<String>, ServiceError> {
        self.request().await;
        if self.happens(self.chances().lost) {
            return Err(failed(Service::Gangway, ServiceErrorKind::Unavailable));
        }
        let blind = self.happens(self.chances().blind) || locked(&self.inner).lists_nothing;
        if blind {
            return Err(failed(Service::Gangway, ServiceErrorKind::Unclear));
        }
        let now = self.clock.now();
        let own = locked(&self.inner).kept(now).find(|run| run.job == intent.job && run.key == intent.key);
        Ok(own.map(|run| run.id).or_else(|| self.strangers(intent).next()))
    }

    async fn under_way(&self, intent: &RunIntent) -> Result<Vec<String>, ServiceError> {
        self.request().await;
        if self.happens(self.chances().lost) {
            return Err(failed(Service::Gangway, ServiceErrorKind::Unavailable));
        }
        let blind = self.happens(self.chances().blind) || locked(&self.inner).lists_nothing;
        Ok(if blind { Vec::new() } else { self.strangers(intent).collect() })
    }

    async fn run(&self, id: &str) -> Result<Option<Observation>, ServiceError> {
        self.request().await;
        if self.happens(self.chances().lost) {
            return Err(failed(Service::Prow, ServiceErrorKind::Unavailable));
        }
        if self.happens(self.chances().unseen) {
            return Ok(None);
        }
        let mid_change = self.happens(self.chances().mid_change);
        let now = self.clock.now();
        let inner = locked(&self.inner);
        let Some(run) = inner.kept(now).find(|run| run.id == id) else { return Ok(None) };
        let run = &run;
        let ended = run.started + RUN;
        let over = now >= ended;
        Ok(Some(Observation {
            id: run.id.clone(),
            job: run.job.clone(),
            state: if over && !mid_change { run.outcome } else { ProwState::Pending },
            url: Some(page(run)),
            started: Some(run.started),
            completed: over.then_some(ended),
        }))
    }
}

fn page(run: &FakeRun) -> String {
    format!("https://example.com/logs/{}/{}", run.job, run.id)
}

#[async_trait]
impl Artifacts for FakeWorld {
    async fn report(&self, page: &str) -> Result<FoundReport, ServiceError> {
        self.request().await;
        let mut inner = locked(&self.inner);
        inner.reports_asked.push(page.to_owned());
        Ok(inner.unreadable_reports.clone().map_or(FoundReport::Absent, FoundReport::Unreadable))
    }

    async fn ended(&self, id: &str, _page: &str) -> Result<Option<Observation>, ServiceError> {
        self.request().await;
        let now = self.clock.now();
        let inner = locked(&self.inner);
        let ended = |run: &&FakeRun| run.id == id && now >= run.started + RUN;
        Ok(inner.runs.iter().find(ended).map(|run| Observation {
            id: run.id.clone(),
            job: run.job.clone(),
            state: run.outcome,
            url: Some(page(run)),
            started: Some(run.started),
            completed: Some(run.started + RUN),
        }))
    }
}

#[async_trait]
impl Payloads for FakeWorld {
    async fn accept(
        &self,
        build: &BuildName,
        _arch: Arch,
        _permit: &WritePermit,
    ) -> Result<Labelled, ServiceError> {
        self.request().await;
        if self.happens(self.chances().refused) {
            return Err(failed(Service::Kube, ServiceErrorKind::Unavailable));
        }
        let mut inner = locked(&self.inner);
        if inner.no_payloads {
            return Ok(Labelled::Absent);
        }
        let now = inner.labels.insert(build.to_string());
        if now {
            *inner.labelled_now.entry(build.to_string()).or_default() += 1;
        }
        Ok(if now { Labelled::Now } else { Labelled::Already })
    }

    async fn labelled(&self, _arch: Arch) -> Result<BTreeSet<String>, ServiceError> {
        self.request().await;
        Ok(locked(&self.inner).labels.clone())
    }
}

impl std::fmt::Debug for FakeWorld {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FakeWorld")
    }
}

#[async_trait]
impl Store for FakeWorld {
    async fn read(&self, path: &str) -> Result<Option<Stored>, StoreError> {
        self.request().await;
        if locked(&self.hidden).as_deref() == Some(path) {
            return Ok(None);
        }
        let inner = locked(&self.inner);
        Ok(inner.files.get(path).map(|text| Stored { text: text.clone(), revision: Revision::of(text) }))
    }

    async fn write(
        &self,
        path: &str,
        text: &str,
        expected: Option<&Revision>,
        message: &str,
        _permit: &WritePermit,
    ) -> Result<Revision, StoreError> {
        let chances = self.chances();
        if self.happens(chances.conflict) {
            self.request().await;
            return Err(StoreError::Conflict { path: path.to_owned() });
        }
        let written = {
            let mut inner = locked(&self.inner);
            let present = inner.files.get(path).map(|text| Revision::of(text));
            let good = present.as_ref() == expected;
            if good {
                inner.put(path, text);
                inner.writes.push(message.to_owned());
            }
            good
        };
        self.request().await;
        if !written {
            return Err(StoreError::Conflict { path: path.to_owned() });
        }
        if self.happens(chances.lost) {
            return Err(StoreError::Unclear(failed(Service::GithubApi, ServiceErrorKind::Unclear)));
        }
        Ok(Revision::of(text))
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.request().await;
        let prefix = format!("{folder}/");
        let inner = locked(&self.inner);
        Ok(inner.files.keys().filter_map(|path| path.strip_prefix(&prefix)).map(str::to_owned).collect())
    }

    fn describe(&self, path: &str) -> String {
        path.to_owned()
    }
}

#[async_trait]
impl Records for FakeWorld {
    async fn list(&self) -> Result<Vec<RecordEntry>, StoreError> {
        self.request().await;
        let inner = locked(&self.inner);
        Ok(inner
            .files
            .iter()
            .filter_map(|(path, text)| {
                let name = path.strip_prefix(&format!("{FOLDER}/"))?.to_owned();
                Some(RecordEntry { name, revision: Revision::of(text) })
            })
            .collect())
    }

    async fn texts(&self, entries: &[RecordEntry]) -> Vec<Result<String, StoreError>> {
        self.request().await;
        let inner = locked(&self.inner);
        entries
            .iter()
            .map(|entry| {
                let path = format!("{FOLDER}/{}", entry.name);
                inner.contents.get(entry.revision.as_str()).cloned().ok_or(StoreError::Conflict { path })
            })
            .collect()
    }

    fn store(&self) -> &dyn Store {
        self
    }

    async fn delete(
        &self,
        entry: &RecordEntry,
        message: &str,
        _permit: &WritePermit,
    ) -> Result<(), StoreError> {
        self.request().await;
        let mut inner = locked(&self.inner);
        let path = format!("{FOLDER}/{}", entry.name);
        if inner.files.get(&path).map(|text| Revision::of(text)).as_ref() != Some(&entry.revision) {
            return Err(StoreError::Conflict { path });
        }
        inner.files.remove(&path);
        inner.writes.push(message.to_owned());
        Ok(())
    }
}

#[async_trait]
impl Registries for FakeWorld {
    async fn registry(&self, name: RegistryName) -> Result<Option<Arc<TestJobRegistry>>, RegistryError> {
        self.request().await;
        let text = locked(&self.registry).clone();
        if text.is_empty() {
            return Ok(None);
        }
        let registry = TestJobRegistry::parse(name, text.as_bytes()).map_err(RegistryError::Invalid)?;
        Ok(Some(Arc::new(registry)))
    }
}
