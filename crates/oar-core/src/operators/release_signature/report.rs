//! What was found out about signatures, and what it comes to.

use schemars::JsonSchema;
use serde::Serialize;

use crate::ids::Digest;
use crate::signature::{SignatureFault, SigstoreFault, Verified};

/// How an image is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignatureKind {
    /// A file of the mirror: an OpenPGP message.
    Openpgp,
    /// Beside the image in its registry: Sigstore with a key.
    Sigstore,
}

/// What was found out about one signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SignatureFinding {
    /// The file of the mirror or the tag of the registry: `signature-1`.
    pub file: String,
    /// How it is made.
    pub kind: SignatureKind,
    /// By whom it is signed, when it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// What is wrong with it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whether the fault is one that somebody has to look at: the file was changed, or is about another image.
    pub alarming: bool,
    /// Whether this program cannot judge it, so that it is neither good nor bad.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsupported: bool,
}

impl SignatureFinding {
    fn new(file: String, kind: SignatureKind) -> Self {
        Self { file, kind, verified: None, fault: None, alarming: false, unsupported: false }
    }

    pub(super) fn openpgp(file: String, outcome: Result<Verified, SignatureFault>) -> Self {
        let finding = Self::new(file, SignatureKind::Openpgp);
        match outcome {
            Ok(verified) => Self { verified: Some(verified), ..finding },
            Err(fault) => Self {
                alarming: fault.is_alarming(),
                unsupported: fault.is_unsupported(),
                fault: Some(fault.to_string()),
                ..finding
            },
        }
    }

    pub(super) fn sigstore(file: String, outcome: Result<Verified, SigstoreFault>) -> Self {
        let finding = Self::new(file, SignatureKind::Sigstore);
        match outcome {
            Ok(verified) => Self { verified: Some(verified), ..finding },
            Err(fault) => Self { alarming: fault.is_alarming(), fault: Some(fault.to_string()), ..finding },
        }
    }

    /// Who signed it, in a few words; `None` when it is not good.
    pub fn signer(&self) -> Option<String> {
        let by = self.verified.as_ref()?;
        let kind = match self.kind {
            SignatureKind::Openpgp => "key",
            SignatureKind::Sigstore => "Sigstore key",
        };
        Some(format!("the {kind} {}", by.key))
    }

    fn line(&self) -> String {
        if let (Some(by), Some(signer)) = (&self.verified, self.signer()) {
            return format!("{}: good, signed by {signer} ({})", self.file, by.fingerprint);
        }
        let mark = if self.alarming { "WRONG" } else { "not usable" };
        format!("{}: {mark}: {}", self.file, self.fault.as_deref().unwrap_or("unknown"))
    }
}

/// What the signatures of an image come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureStatus {
    /// At least one signature is good.
    Signed,
    /// Nothing is published yet; what is missing.
    Waits(String),
    /// Something could not be checked, so there is no verdict.
    Unknown(String),
    /// Signatures are there, and none of them is good; a line each.
    NotSigned(Vec<String>),
}

/// What was found out about one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageReport {
    /// Which image of the release it is: `x86_64`, `multi`, `multi for arm64`.
    pub architecture: String,
    /// The image's digest, once it is known.
    pub digest: Option<Digest>,
    /// The names under which it may be signed.
    pub references: Vec<String>,
    /// Every signature that was found.
    pub signatures: Vec<SignatureFinding>,
    /// What does not exist yet.
    pub waits_for: Option<String>,
    /// What could not be checked.
    pub gaps: Vec<String>,
    /// The next step about the first gap.
    #[serde(skip)]
    pub hint: Option<String>,
}

impl ImageReport {
    pub(super) fn new(architecture: impl Into<String>, reference: String) -> Self {
        Self {
            architecture: architecture.into(),
            digest: None,
            references: vec![reference],
            signatures: Vec::new(),
            waits_for: None,
            gaps: Vec::new(),
            hint: None,
        }
    }

    /// The good signatures.
    pub fn good(&self) -> impl Iterator<Item = &SignatureFinding> {
        self.signatures.iter().filter(|finding| finding.verified.is_some())
    }

    /// The verdict of the signatures. One valid signature is enough; an image of which something could not be
    /// checked is unknown, whatever else was found.
    pub fn standing(&self) -> SignatureStatus {
        if self.good().next().is_some() {
            return SignatureStatus::Signed;
        }
        let unsupported = self.signatures.iter().any(|finding| finding.unsupported);
        if !self.gaps.is_empty() || unsupported {
            let found = self.gaps.iter().cloned().chain(self.lines()).collect::<Vec<_>>();
            return SignatureStatus::Unknown(found.join("; "));
        }
        match &self.waits_for {
            Some(missing) if !self.signatures.iter().any(|finding| finding.alarming) => {
                SignatureStatus::Waits(missing.clone())
            }
            _ => SignatureStatus::NotSigned(self.lines()),
        }
    }

    /// One line for each signature.
    pub fn lines(&self) -> Vec<String> {
        self.signatures.iter().map(SignatureFinding::line).collect()
    }
}

/// What was found out about a release's signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SignatureReport {
    /// The `x86_64` payload.
    #[serde(flatten)]
    pub payload: ImageReport,
    /// The payloads of the other architectures, the multi-architecture list and its images; empty unless asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ImageReport>,
    /// What the reader must know although it decides nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl SignatureReport {
    /// Every checked image.
    pub fn images(&self) -> impl Iterator<Item = &ImageReport> {
        std::iter::once(&self.payload).chain(&self.others)
    }

    /// What the release comes to: the worst of its images.
    pub fn standing(&self) -> SignatureStatus {
        let (mut wrong, mut unknown, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        for image in self.images() {
            let named = |text: String| {
                if self.others.is_empty() { text } else { format!("{}: {text}", image.architecture) }
            };
            match image.standing() {
                SignatureStatus::Signed => {}
                SignatureStatus::NotSigned(lines) => wrong.extend(lines.into_iter().map(named)),
                SignatureStatus::Unknown(text) => unknown.push(named(text)),
                SignatureStatus::Waits(text) => waits.push(named(text)),
            }
        }
        if !wrong.is_empty() {
            return SignatureStatus::NotSigned(wrong);
        }
        if !unknown.is_empty() {
            return SignatureStatus::Unknown(unknown.join("; "));
        }
        if !waits.is_empty() {
            return SignatureStatus::Waits(waits.join("; "));
        }
        SignatureStatus::Signed
    }

    /// One line for each signature that somebody has to look at.
    pub fn alarming_lines(&self) -> Vec<String> {
        self.images()
            .flat_map(|image| {
                let alarming = image.signatures.iter().filter(|finding| finding.alarming);
                alarming.map(|finding| format!("{}{}", self.about(image), finding.line()))
            })
            .collect()
    }

    /// The prefix of a line about `image`, when there are several images.
    fn about(&self, image: &ImageReport) -> String {
        if self.others.is_empty() { String::new() } else { format!("{}: ", image.architecture) }
    }

    /// One line for each signature of each image, each failed check, and each warning.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for image in self.images() {
            let about = self.about(image);
            lines.extend(image.lines().into_iter().map(|line| format!("{about}{line}")));
            lines.extend(image.gaps.iter().map(|gap| format!("{about}unknown: {gap}")));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("WARNING: {warning}")));
        lines
    }

    /// By whom the payload is signed: `signature-1 is signed by the key beta2`.
    pub fn finding(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        for kind in [SignatureKind::Openpgp, SignatureKind::Sigstore] {
            let first = self.payload.good().find(|finding| finding.kind == kind);
            let Some((finding, signer)) = first.and_then(|first| Some((first, first.signer()?))) else {
                continue;
            };
            let file = if kind == SignatureKind::Openpgp { finding.file.as_str() } else { "the image" };
            parts.push(format!("{file} is signed by {signer}"));
        }
        if !self.others.is_empty() {
            parts.push(format!("so are {} more images of the release", self.others.len()));
        }
        parts.join(", ")
    }
}
