//! The Kubernetes side: the object, its Secrets, and what they come to.

use crate::api::Reason;
use crate::api::spec::{BitbucketConnectionSpec, ImportFilter, ImportMode, LocalReference};
use crate::api::status::{BitbucketConnectionStatus, RefusedSecret};
use crate::bitbucket::{BaseUrl, Credentials};
use crate::controller::decision::Inputs;
use crate::secrets::TargetKey;

const URLS: [&str; 3] = ["https://git.example.com", "https://other.example.com", "nonsense"];
const SCHEDULES: [&str; 3] = ["0 * * * *", "0 0 * * *", "hourly"];

#[derive(Clone, Debug)]
struct Secret {
    uid: u32,
    version: u32,
    data: u8,
    usable: bool,
}

/// What a verdict about credentials is of: who asks whom, and what is trusted on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub url: u8,
    uid: u32,
    data: u8,
    authority: Option<u8>,
}

impl Access {
    /// Whether the same password of the same Secret goes to the same place.
    pub fn same_password(self, other: Self) -> bool {
        (self.url, self.uid, self.data) == (other.url, other.uid, other.data)
    }
}

/// What the spec names, whether or not it is there.
pub type Place = (u8, u8, bool);

#[derive(Clone, Debug)]
pub struct Cluster {
    pub spec: BitbucketConnectionSpec,
    pub generation: i64,
    pub requests: u32,
    pub status: BitbucketConnectionStatus,
    pub filter: u8,
    place: Place,
    secrets: [Option<Secret>; 2],
    authority: Option<u8>,
    /// `spec.destination`: 0 is the operator's own.
    pub target: u8,
    counter: u32,
}

/// What the operator finds.
pub struct Found {
    pub access: Access,
    pub inputs: Inputs,
    pub secret: RefusedSecret,
}

impl Cluster {
    pub fn new() -> Self {
        let spec = serde_json::json!({"url": URLS[0], "secretRef": {"name": "0"}});
        let mut cluster = Self {
            spec: serde_json::from_value(spec).unwrap(),
            generation: 1,
            requests: 0,
            status: BitbucketConnectionStatus { observed_generation: Some(-1), ..Default::default() },
            filter: 0,
            place: (0, 0, false),
            secrets: [None, None],
            authority: Some(0),
            target: 0,
            counter: 0,
        };
        cluster.secret_data(0);
        cluster
    }

    pub const fn place(&self) -> Place {
        self.place
    }

    pub fn valid_schedule(&self) -> bool {
        self.spec.schedule != SCHEDULES[2]
    }

    fn count(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    fn secret(&mut self) -> &mut Option<Secret> {
        &mut self.secrets[usize::from(self.place.1)]
    }

    pub fn secret_data(&mut self, data: u8) {
        let version = self.count();
        match self.secret() {
            Some(secret) => *secret = Secret { version, data, usable: true, ..secret.clone() },
            none => *none = Some(Secret { uid: version, version, data, usable: true }),
        }
    }

    pub fn secret_touched(&mut self) {
        let version = self.count();
        self.secret().iter_mut().for_each(|secret| secret.version = version);
    }

    pub fn secret_gone(&mut self) {
        *self.secret() = None;
    }

    pub fn secret_spoiled(&mut self) {
        self.secret_touched();
        self.secret().iter_mut().for_each(|secret| secret.usable = false);
    }

    /// Changes `spec.destination`.
    pub fn destination(&mut self, target: u8) {
        let named = |number| serde_json::json!({"secretRef": {"name": format!("db-{number}")}});
        self.generation += i64::from(self.target != target);
        self.target = target;
        self.spec.destination = (target != 0).then(|| serde_json::from_value(named(target)).unwrap());
    }

    pub const fn authority(&mut self, data: Option<u8>) {
        self.authority = data;
    }

    /// Changes the spec; only a real change is a new generation.
    pub fn edit(&mut self, place: Place, filter: u8, schedule: Option<u8>, suspend: bool) {
        let old = self.spec.clone();
        (self.place, self.filter) = (place, filter);
        let (url, secret, authority) = place;
        URLS[usize::from(url)].clone_into(&mut self.spec.url);
        self.spec.secret_ref.name = secret.to_string();
        self.spec.cert_secret_ref = authority.then(|| LocalReference { name: "ca".to_owned() });
        self.spec.import = match filter {
            0 => ImportFilter::default(),
            _ => ImportFilter { mode: ImportMode::Allowlist, projects: vec!["P".to_owned()], ..Default::default() },
        };
        if let Some(schedule) = schedule {
            SCHEDULES[usize::from(schedule)].clone_into(&mut self.spec.schedule);
        }
        self.spec.suspend = suspend;
        self.generation += i64::from(self.spec != old);
    }

    /// What the spec refers to.
    pub fn dereference(&self) -> Result<Found, (Reason, String)> {
        let (url, secret, authority) = self.place;
        let missing = |what: &str| (Reason::SecretNotFound, format!("There is no {what}."));
        let base = BaseUrl::parse(&self.spec.url).map_err(|_| (Reason::InvalidUrl, "No URL.".to_owned()))?;
        let secret = self.secrets[usize::from(secret)].as_ref().ok_or_else(|| missing("Secret"))?;
        if authority && self.authority.is_none() {
            return Err(missing("authority"));
        }
        if !secret.usable {
            return Err((Reason::InvalidSecret, "Odd.".to_owned()));
        }
        let authority = self.authority.filter(|_| authority);
        let password = secret.data.to_string();
        let credentials = Credentials::Basic { username: "svc".to_owned(), password: password.into() };
        let uid = secret.uid.to_string();
        let way = [authority.map_or(u8::MAX, |data| data); 32];
        let inputs = Inputs::new(
            base.clone(),
            uid.clone(),
            &credentials,
            way,
            self.spec.import.clone(),
            TargetKey([self.target; 32]),
        );
        let resource_version = secret.version.to_string();
        Ok(Found {
            access: Access { url, uid: secret.uid, data: secret.data, authority },
            inputs,
            secret: RefusedSecret { uid, resource_version, url: base.to_string() },
        })
    }
}
