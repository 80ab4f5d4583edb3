"""Release signatures as GnuPG sees them, and the catalogue as plain requests do."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import requests

SANDBOX = os.environ["SANDBOX_URL"]
KEY = pathlib.Path(__file__).resolve().parents[2] / "crates/sandbox/data/release-key.asc"


def digest(release):
    base = os.environ["OAR_ENDPOINT_RELEASE_CONTROLLER"].replace("{arch}", "amd64")
    answer = requests.get(f"{base}/api/v1/releasestream/4-stable/release/{release}", timeout=10)
    return answer.json()["changeLogJson"]["to"]["digest"]


class Signatures(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.gpg("--import", str(KEY))

    def tearDown(self):
        subprocess.run(["gpgconf", "--homedir", self.home.name, "--kill", "all"], check=False)
        self.home.cleanup()

    def gpg(self, *arguments, data=None, check=True):
        command = ["gpg", "--batch", "--no-tty", "--homedir", self.home.name, "--status-fd", "2"]
        return subprocess.run([*command, *arguments], input=data, capture_output=True, check=check)

    def fetch(self, number, release="4.19.1"):
        name = digest(release).replace(":", "=")
        return requests.get(f"{os.environ['OAR_ENDPOINT_MIRROR']}/{name}/signature-{number}", timeout=10)

    def test_gnupg_finds_the_signature_good_and_its_content_right(self):
        for release in ("4.19.1", "4.14.60"):
            answer = self.fetch(1, release)
            self.assertEqual(answer.status_code, 200)
            opened = self.gpg("--decrypt", data=answer.content)
            self.assertIn(b"GOODSIG", opened.stderr)
            claim = json.loads(opened.stdout)["critical"]
            self.assertEqual(claim["image"]["docker-manifest-digest"], digest(release))
            name = f"quay.io/openshift-release-dev/ocp-release:{release}-x86_64"
            self.assertEqual(claim["identity"]["docker-reference"], name)
            self.assertEqual(claim["type"], "atomic container signature")

    def test_gnupg_refuses_a_changed_one(self):
        content = bytearray(self.fetch(1).content)
        content[content.index(b"sha256:") + 9] ^= 1
        opened = self.gpg("--decrypt", data=bytes(content), check=False)
        self.assertIn(b"BADSIG", opened.stderr)

    def test_there_is_no_second_one(self):
        self.assertEqual(self.fetch(2).status_code, 404)


class Catalogue(unittest.TestCase):
    def images(self, **parameters):
        return requests.get(f"{os.environ['OAR_ENDPOINT_CATALOG_STAGE']}/v1/images", parameters, timeout=10)

    def digests(self):
        url = f"{os.environ['OAR_ENDPOINT_ADVISORY_CONTENT']}/demo/advisories/-/raw/main/2026/90001/advisory.yaml"
        lines = requests.get(url, timeout=10).text.splitlines()
        return [line.split("@")[1] for line in lines if "containerImage:" in line]

    def test_one_digest_and_many_give_the_same_records(self):
        digests = self.digests()[:5]
        many = self.images(filter=f"image_id=in=({','.join(digests)})").json()
        self.assertEqual(many["total"], 5)
        one = self.images(filter=f"image_id=={digests[0]}", page_size=100, page=0).json()
        self.assertIn(one["data"][0], many["data"])
        self.assertEqual(one["data"][0]["image_id"], digests[0])

    def test_vulnerabilities_are_below_the_interface(self):
        record = self.images(filter=f"image_id=={self.digests()[0]}").json()["data"][0]
        link = os.environ["OAR_ENDPOINT_CATALOG_STAGE"] + record["_links"]["vulnerabilities"]["href"]
        self.assertTrue(requests.get(link, {"page_size": 100}, timeout=10).json()["data"][0]["cve_id"])

    def test_refusals(self):
        self.assertEqual(self.images(filter="image_id==sha256:0", page_size=1000).status_code, 400)
        self.assertEqual(self.images(filter="image_id==sha256:0").json()["data"], [])
        pyxis = f"{os.environ['OAR_ENDPOINT_PYXIS']}/v1/images/nvr/none-1-1"
        self.assertEqual(requests.get(pyxis, timeout=10).status_code, 404)


if __name__ == "__main__":
    unittest.main()
