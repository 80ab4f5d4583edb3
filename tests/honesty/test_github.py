"""GitHub through PyGithub."""

import base64
import unittest

from github import Auth, Github, GithubException, InputGitTreeElement, UnknownObjectException

import support

STATE = "openshift/release-tests"
BUILD_DATA = "openshift-eng/ocp-build-data"
BRANCH = "z-stream"


def client(token=None):
    return Github(
        auth=Auth.Token(token or support.setting("GITHUB_TOKEN")),
        base_url=support.setting("OAR_ENDPOINT_GITHUB_API"),
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


class GitHub(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.github = client()
        cls.repository = cls.github.get_repo(STATE)

    def refused(self, status, call, *arguments, **named):
        with self.assertRaises(GithubException) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.status, status, caught.exception)

    def write(self, path, content="one\n", branch=BRANCH):
        return self.repository.create_file(path, f"Add {path}", content, branch=branch)

    def test_the_caller(self):
        self.assertTrue(self.github.get_user().login)
        self.assertGreater(self.github.get_rate_limit().resources.core.remaining, 0)

    def test_the_repository(self):
        self.assertEqual(self.repository.full_name, STATE)
        self.assertTrue(self.repository.get_branch(BRANCH).commit.sha)
        self.assertIn(BRANCH, [branch.name for branch in self.repository.get_branches()])
        with self.assertRaises(UnknownObjectException):
            self.github.get_repo("openshift/none")

    def test_build_data_is_read(self):
        build_data = self.github.get_repo(BUILD_DATA)
        text = build_data.get_contents("releases.yml", ref="openshift-4.19").decoded_content.decode()
        self.assertIn("4.19.1", text)

    def test_a_file_is_added_changed_and_removed(self):
        path = "_releases/honesty/life.yaml"
        made = self.write(path)
        read = self.repository.get_contents(path, ref=BRANCH)
        self.assertEqual((read.decoded_content, read.sha), (b"one\n", made["content"].sha))
        changed = self.repository.update_file(path, "Change", "two\n", read.sha, branch=BRANCH)
        self.assertNotEqual(changed["content"].sha, read.sha)
        commit = self.repository.get_commit(changed["commit"].sha)
        self.assertEqual(commit.commit.message, "Change")
        self.assertEqual(self.repository.get_git_commit(commit.sha).sha, commit.sha)
        self.repository.delete_file(path, "Remove", changed["content"].sha, branch=BRANCH)
        self.refused(404, self.repository.get_contents, path, ref=BRANCH)

    def test_a_stale_revision_is_refused(self):
        path = "_releases/honesty/stale.yaml"
        first = self.write(path)["content"].sha
        self.repository.update_file(path, "Change", "two\n", first, branch=BRANCH)
        self.refused(409, self.repository.update_file, path, "Late", "three\n", first, branch=BRANCH)
        self.refused(422, self.write, path)
        self.assertEqual(self.repository.get_contents(path, ref=BRANCH).decoded_content, b"two\n")

    def test_what_is_absent(self):
        self.refused(404, self.repository.get_contents, "none.yaml", ref=BRANCH)
        self.refused(404, self.repository.get_contents, "README.md", ref="none")
        self.refused(404, self.write, "x.yaml", branch="none")
        self.refused(404, self.repository.get_branch, "none")

    def test_a_directory_is_listed(self):
        self.write("_releases/honesty/list/a.yaml")
        self.write("_releases/honesty/list/b.yaml")
        names = [entry.name for entry in self.repository.get_contents("_releases/honesty/list", ref=BRANCH)]
        self.assertEqual(names, ["a.yaml", "b.yaml"])
        tree = self.repository.get_git_tree(BRANCH, recursive=True)
        self.assertIn("_releases/honesty/list/b.yaml", [element.path for element in tree.tree])

    def test_references_and_blobs(self):
        made = self.write("_releases/honesty/blob.yaml", "blob\n")
        self.assertEqual(self.repository.get_git_ref(f"heads/{BRANCH}").object.sha, made["commit"].sha)
        self.assertEqual(self.repository.get_git_blob(made["content"].sha).size, 5)

    def test_a_folder_by_its_tree(self):
        tree = self.repository.get_git_tree("record:_releases")
        names = [element.path for element in tree.tree]
        self.assertIn("ocp-latest-4.20-stable-amd64.json", names)
        element = tree.tree[names.index("ocp-latest-4.20-stable-amd64.json")]
        text = base64.b64decode(self.repository.get_git_blob(element.sha).content)
        read = self.repository.get_contents(f"_releases/{element.path}", ref="record")
        self.assertEqual((text, element.sha), (read.decoded_content, read.sha))
        self.refused(404, self.repository.get_git_tree, "record:none")

    def test_several_files_in_one_commit(self):
        head = self.repository.get_git_ref("heads/record")
        parent = self.repository.get_git_commit(head.object.sha)
        blob = self.repository.create_git_blob("made by honesty\n", "utf-8")
        elements = [
            InputGitTreeElement("_releases/honesty-1.json", "100644", "blob", sha=blob.sha),
            InputGitTreeElement("_releases/honesty-2.json", "100644", "blob", content="two\n"),
        ]
        tree = self.repository.create_git_tree(elements, parent.tree)
        commit = self.repository.create_git_commit("Two files", tree, [parent])
        other = self.repository.create_git_commit("Too late", tree, [parent])
        head.edit(commit.sha)
        self.refused(422, head.edit, other.sha)
        read = self.repository.get_contents("_releases/honesty-2.json", ref="record")
        self.assertEqual(read.decoded_content, b"two\n")
        gone = [InputGitTreeElement(f"_releases/honesty-{n}.json", "100644", "blob", sha=None) for n in (1, 2)]
        without = self.repository.create_git_tree(gone, tree)
        self.assertEqual(without.sha, parent.tree.sha)

    def test_history_of_a_path(self):
        path = "_releases/honesty/history.yaml"
        first = self.write(path)["content"].sha
        self.repository.update_file(path, "Second", "two\n", first, branch=BRANCH)
        messages = [commit.commit.message for commit in self.repository.get_commits(sha=BRANCH, path=path)]
        self.assertEqual(messages, ["Second", f"Add {path}"])

    def test_a_wrong_token(self):
        self.refused(401, client("wrong").get_repo, STATE)

    def test_a_token_that_only_reads(self):
        reader = client(support.setting("HONESTY_GITHUB_READER_TOKEN")).get_repo(STATE)
        self.assertTrue(reader.get_branch(BRANCH).commit.sha)
        with self.assertRaises(GithubException) as caught:
            reader.create_file("x.yaml", "x", "x", branch=BRANCH)
        self.assertIn(caught.exception.status, (403, 404))

    def test_the_secondary_rate_limit(self):
        support.fault("github", {"type": "secondary_rate_limit", "retry_after": 3})
        self.refused(403, self.github.get_repo, STATE)
        self.assertEqual(self.github.get_repo(STATE).full_name, STATE)


if __name__ == "__main__":
    unittest.main()
