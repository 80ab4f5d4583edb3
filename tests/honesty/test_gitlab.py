"""GitLab through python-gitlab."""

import unittest
import warnings

import gitlab
import yaml

import support

PROJECT = "hybrid-platforms/art/ocp-shipment-data"


def client(token=None):
    server = gitlab.Gitlab(
        support.setting("OAR_ENDPOINT_GITLAB"),
        private_token=token or support.setting("GITLAB_TOKEN"),
        retry_transient_errors=False,
    )
    server.auth()
    return server


class GitLab(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The client warns when an address in an answer is not on the configured server.
        warnings.simplefilter("error", UserWarning)
        cls.gitlab = client()
        cls.project = cls.gitlab.projects.get(PROJECT)

    def shipment(self, number=612):
        return self.project.mergerequests.get(number)

    def refused(self, status, call, *arguments, **named):
        with self.assertRaises(gitlab.exceptions.GitlabError) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.response_code, status, caught.exception)
        return str(caught.exception)

    def test_the_caller(self):
        self.assertEqual((self.gitlab.user.username, self.gitlab.user.id), ("group_9_bot_ab12", 7001))

    def test_a_project_by_path_and_by_id(self):
        self.assertEqual(self.gitlab.projects.get(5150).path_with_namespace, PROJECT)
        self.assertEqual(self.project.id, 5150)
        self.assertIn("Project Not Found", self.refused(404, self.gitlab.projects.get, "none/such"))

    def test_the_shipment(self):
        request = self.shipment()
        self.assertEqual((request.state, request.labels), ("opened", ["stage-release-success"]))
        self.assertEqual(request.diff_refs["head_sha"], request.sha)
        self.assertTrue(request.web_url.endswith(f"/gitlab/{PROJECT}/-/merge_requests/612"))
        self.refused(404, self.shipment, 1)

    def test_lists_of_merge_requests(self):
        everything = self.project.mergerequests.list(get_all=True)
        self.assertEqual([request.iid for request in everything], [613, 612, 611])
        found = self.project.mergerequests.list(search="shipment for 4.19.1", state="opened", get_all=True)
        self.assertEqual([request.iid for request in found], [612])
        self.assertEqual(self.gitlab.mergerequests.list(search="Shipment", state="opened", get_all=True), [])
        everywhere = self.gitlab.mergerequests.list(search="Shipment", state="opened", scope="all", get_all=True)
        self.assertEqual(len(everywhere), 2)

    def test_changed_files_are_readable(self):
        request = self.shipment()
        paths = [change["new_path"] for change in request.changes()["changes"]]
        self.assertEqual(len(paths), 4)
        for path in paths:
            text = self.project.files.get(path, ref=request.source_branch).decode()
            self.assertEqual(yaml.safe_load(text)["shipment"]["metadata"]["assembly"], "4.19.1")
        self.assertEqual([diff["new_path"] for diff in self.gitlab.http_list(f"{request.manager.path}/612/diffs")], paths)
        self.assertIn("File Not Found", self.refused(404, self.project.files.get, "none.yaml", ref="main"))
        self.assertIn("Commit Not Found", self.refused(404, self.project.files.get, "README.md", ref="none"))

    def test_people_are_found_by_parts(self):
        found = self.gitlab.users.list(search="demo-lead@example.com", get_all=True)
        self.assertEqual([user.username for user in found], ["xdemolead", "demolead"])
        self.assertEqual(found[1].public_email, "demo-lead@example.com")
        self.assertEqual(self.gitlab.users.get(7101).username, "demolead")
        self.assertEqual(self.gitlab.users.list(search="nobody@example.com", get_all=True), [])
        self.refused(404, self.gitlab.users.get, 1)

    def test_notes(self):
        notes = self.shipment().notes
        made = notes.create({"body": "QE Release Lead: @demolead"})
        self.assertEqual(made.author["username"], "group_9_bot_ab12")
        self.assertEqual(notes.get(made.id).body, made.body)
        made.body = "QE Release Lead: @secondlead"
        made.save()
        stored = support.snapshot("gitlab")["merge_requests"]["5150!612"]["notes"]
        self.assertIn(["secondlead"], [note["mentions"] for note in stored])

    def test_notes_that_are_refused(self):
        notes = self.shipment(613).notes
        self.assertIn("body is missing", self.refused(400, self.gitlab.http_post, notes.path, post_data={}))
        self.assertIn("too long", self.refused(400, notes.create, {"body": "x" * 1_000_001}))
        self.refused(400, notes.create, {"body": " "})
        self.refused(404, notes.get, 1)

    def test_pages_are_followed(self):
        notes = self.shipment(613).notes
        for number in range(25):
            notes.create({"body": f"note {number}"})
        first = notes.list(page=1, per_page=20)
        self.assertEqual((len(first), first[0].body), (20, "note 24"))
        everything = notes.list(get_all=True, sort="asc", order_by="created_at")
        self.assertEqual([note.body for note in everything], [f"note {number}" for number in range(25)])
        pages = notes.list(iterator=True, per_page=10)
        self.assertEqual((pages.total, pages.total_pages, pages.next_page, pages.prev_page), (25, 3, 2, None))
        self.assertEqual(len(list(pages)), 25)
        self.refused(400, self.gitlab.http_get, notes.path, query_data={"page": 0})

    def test_approving(self):
        request = self.shipment()
        self.assertEqual(request.approvals.get().approved_by, [])
        self.assertIn("SHA does not match", self.refused(409, request.approve, sha="0" * 40))
        request.approve(sha=request.sha)
        approvals = self.shipment().approvals.get()
        self.assertEqual([entry["user"]["username"] for entry in approvals.approved_by], ["group_9_bot_ab12"])
        self.refused(401, self.shipment().approve)

    def test_pipelines_jobs_and_bridges(self):
        pipelines = self.shipment().pipelines.list(get_all=True)
        self.assertEqual([pipeline.id for pipeline in pipelines], [910002, 910001])
        pipeline = self.project.pipelines.get(910002)
        self.assertEqual(pipeline.status, "manual")
        self.assertEqual([job.status for job in pipeline.jobs.list(get_all=True)], ["success"])
        bridges = pipeline.bridges.list(get_all=True)
        self.assertEqual({bridge.stage: bridge.status for bridge in bridges}["stage-release-triggers"], "success")

    def test_writing_a_branch_a_commit_and_a_merge_request(self):
        fork = self.gitlab.projects.get("demo-release-bot/ocp-shipment-data")
        self.assertEqual(fork.forked_from_project["id"], self.project.id)
        support.change("gitlab", "new-requests", checking_reads=1, pipeline="running")
        shipment = self.shipment()
        path = next(change["new_path"] for change in shipment.changes()["changes"] if ".image." in change["new_path"])
        text = self.project.files.get(path, ref=shipment.sha).decode().decode()
        commit = fork.commits.create(
            {
                "branch": "honest-1",
                "commit_message": "Change a file",
                "start_project": self.project.id,
                "start_branch": shipment.source_branch,
                "actions": [{"action": "update", "file_path": path, "content": text + "# more\n"}],
            }
        )
        self.assertEqual(commit.parent_ids, [shipment.sha])
        self.assertEqual(fork.branches.get("honest-1").commit["id"], commit.id)
        self.assertEqual([branch.name for branch in fork.branches.list(search="^honest-", get_all=True)], ["honest-1"])
        again = {"branch": "honest-1", "commit_message": "x", "start_branch": "main", "actions": [{"action": "update", "file_path": path, "content": "x"}]}
        self.assertIn("already exists", self.refused(400, fork.commits.create, again))
        wanted = {
            "source_branch": "honest-1",
            "target_branch": shipment.source_branch,
            "target_project_id": self.project.id,
            "title": "honest change",
            "squash": True,
            "remove_source_branch": True,
        }
        made = fork.mergerequests.create(wanted)
        self.assertEqual((made.project_id, made.source_project_id), (self.project.id, fork.id))
        self.assertIn("Another open merge request", self.refused(409, fork.mergerequests.create, wanted))
        request = self.project.mergerequests.get(made.iid)
        self.assertEqual(request.detailed_merge_status, "checking")
        self.refused(409, self.project.mergerequests.get(made.iid).merge, sha="0" * 40, merge_when_pipeline_succeeds=True)
        waiting = request.merge(merge_when_pipeline_succeeds=True, sha=made.sha)
        self.assertEqual((waiting["state"], waiting["merge_when_pipeline_succeeds"]), ("opened", True))
        pipeline = request.pipelines.list(get_all=True)[0]
        support.change("gitlab", "pipeline", pipeline=pipeline.id, status="success")
        self.assertEqual(self.project.mergerequests.get(made.iid).state, "merged")
        self.assertEqual(self.project.files.get(path, ref=shipment.source_branch).decode().decode(), text + "# more\n")
        self.assertEqual(fork.branches.list(search="^honest-", get_all=True), [])

    def test_labels(self):
        self.assertIn("stage-release-success", [label.name for label in self.project.labels.list(get_all=True)])
        request = self.shipment(613)
        request.labels = ["stage-testing-success"]
        request.save()
        self.assertEqual(self.shipment(613).labels, ["stage-testing-success"])

    def test_a_wrong_and_an_expired_token(self):
        self.refused(401, client, "wrong")
        self.assertIn("invalid_token", self.refused(401, client, support.setting("HONESTY_GITLAB_EXPIRED_TOKEN")))

    def test_a_token_that_only_reads(self):
        reader = client(support.setting("HONESTY_GITLAB_READ_ONLY_TOKEN"))
        request = reader.projects.get(PROJECT).mergerequests.get(612)
        self.assertIn("insufficient_scope", self.refused(403, request.notes.create, {"body": "x"}))
        self.refused(403, request.approve)

    def test_somebody_who_is_no_member(self):
        outsider = client(support.setting("HONESTY_GITLAB_OUTSIDER_TOKEN"))
        self.refused(404, outsider.projects.get, PROJECT)

    def test_the_rate_limit(self):
        support.change("gitlab", "rate-limit", per_minute=0)
        self.addCleanup(support.change, "gitlab", "rate-limit", per_minute=100_000)
        with self.assertRaises(gitlab.exceptions.GitlabError) as caught:
            self.gitlab.http_get("/user", obey_rate_limit=False)
        self.assertEqual(caught.exception.response_code, 429)


if __name__ == "__main__":
    unittest.main()
