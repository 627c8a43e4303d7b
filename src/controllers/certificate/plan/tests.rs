//! Years of rotations against a clock that is only a number: what is served is trusted by whoever asks, at every instant.

use proptest::prelude::*;

use super::*;

const DAY: u64 = 24 * 3600;
const NAME: &str = "domicile.domicile-system.svc";

fn schedule() -> Schedule {
    Schedule { authority: Duration::from_secs(1095 * DAY), certificate: Duration::from_secs(90 * DAY) }
}

fn names() -> Vec<String> {
    vec![NAME.to_owned()]
}

/// A cluster as far as certificates are concerned. Everything in it follows later than in a good one.
struct World {
    now: Timestamp,
    /// The Secret.
    secret: Option<Contents>,
    /// The webhook configurations.
    published: TakenUp,
    /// What the API server goes by, and what it will go by from then on.
    trusted: Vec<CertificateDer<'static>>,
    /// What a slow replica serves.
    served: Option<Identity>,
    steps: Vec<&'static str>,
}

impl World {
    fn new() -> Self {
        Self {
            now: "2026-11-28T00:00:00Z".parse().unwrap(),
            secret: None,
            published: TakenUp::default(),
            trusted: Vec::new(),
            served: None,
            steps: Vec::new(),
        }
    }

    /// The leader does one thing; how long it then has nothing to do.
    fn lead(&mut self) -> Duration {
        let step = plan(self.secret.as_ref(), &self.published, &names(), &schedule(), self.now);
        if let Some(contents) = carry_out(&step, self.secret.as_ref(), &names(), &schedule(), self.now).unwrap() {
            self.secret = Some(contents);
        }
        self.steps.push(step.name());
        match step {
            Step::Wait(until) => Duration::try_from(until.duration_since(self.now)).unwrap(),
            _ => Duration::ZERO,
        }
    }

    /// Everybody follows: the configurations the Secret, the API server the configurations, the replica the Secret.
    fn publish(&mut self) {
        let authorities = self.secret.as_ref().map(|secret| secret.authorities.clone()).unwrap_or_default();
        self.published = self.published.follow(authorities, self.now);
    }

    fn take_up(&mut self) {
        self.trusted = self.published.iter().map(|(one, _)| one.clone()).collect();
    }

    fn load(&mut self) {
        self.served = self.secret.as_ref().map(|secret| Identity::new(&secret.serving).unwrap());
    }

    fn pass(&mut self, span: Duration) {
        self.now = after(self.now, span);
    }

    fn is_trusted(&self) -> Result<(), String> {
        let served = self.served.as_ref().ok_or("nothing is served")?;
        served
            .verify(&self.trusted, NAME, self.now)
            .map_err(|error| format!("{}: {error:?}: {:?}", self.now, self.steps))
    }

    /// Starts from nothing.
    fn begin() -> Self {
        let mut world = Self::new();
        world.lead();
        world.publish();
        world.take_up();
        world.load();
        world.is_trusted().unwrap();
        world
    }

    /// Lives on until nothing is due for `most`, or at most so long; each follows with a delay of its own, and is asked
    /// in between.
    fn live(&mut self, most: Duration, take_up: Duration, load: Duration) -> Result<(), String> {
        let until = after(self.now, most);
        while self.now < until {
            let wait = self.lead();
            self.is_trusted()?;
            self.publish();
            self.pass(take_up);
            self.take_up();
            self.is_trusted()?;
            self.pass(load);
            self.load();
            self.is_trusted()?;
            let left = Duration::try_from(until.duration_since(self.now)).unwrap_or_default();
            for _ in 0..2 {
                self.pass(wait.min(left) / 2);
                self.is_trusted()?;
            }
        }
        Ok(())
    }
}

#[test]
fn fifteen_years_pass_without_a_moment_of_distrust() {
    let mut world = World::begin();
    let (take_up, load) = (Duration::from_secs(50), Duration::from_secs(60));
    world.live(Duration::from_secs(15 * 365 * DAY), take_up, load).unwrap();
    let count = |name| world.steps.iter().filter(|step| **step == name).count();
    // Certificates of 90 days are renewed after 60, authorities of three years after two.
    assert!((90..=100).contains(&count("issue")), "{:?}", world.steps);
    assert_eq!((count("begin"), count("add-authority"), count("retire")), (1, 7, 7));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever the operator misses while it is off, it is trusted as soon as it serves again, and stays so.
    #[test]
    fn weeks_without_an_operator_are_made_up_for(
        spans in prop::collection::vec((0u64..200, 0u64..90, 1u64..55, 0u64..3000), 1..40)
    ) {
        let mut world = World::begin();
        for (on, off, take_up, load) in spans {
            world.live(
                Duration::from_secs(on * DAY), Duration::from_secs(take_up), Duration::from_secs(load)
            ).map_err(TestCaseError::fail)?;
            // Nobody serves; the API server keeps what it has.
            world.served = None;
            world.pass(Duration::from_secs(off * DAY));
            // A leader comes first, then replicas are ready once they are trusted.
            let mut tries = 0;
            loop {
                world.lead();
                world.publish();
                world.take_up();
                world.load();
                if world.is_trusted().is_ok() {
                    break;
                }
                tries += 1;
                prop_assert!(tries < 3, "{:?}", world.steps);
            }
            let held = world.secret.as_ref().unwrap();
            for authority in &held.authorities {
                prop_assert!(Validity::of(authority).unwrap().until > world.now);
            }
        }
    }
}

#[test]
fn a_new_authority_signs_only_after_it_was_taken_up() {
    let mut world = World::begin();
    world.pass(Duration::from_secs(731 * DAY));
    // Off for two years: the certificate has ended, the authority is old.
    assert_eq!(plan(world.secret.as_ref(), &world.published, &names(), &schedule(), world.now), Step::Issue);
    world.lead();
    world.lead();
    assert_eq!(world.steps, ["begin", "issue", "add-authority"]);
    // Not published, so nothing happens for as long as the certificate holds,
    let serving = Identity::new(&world.secret.as_ref().unwrap().serving).unwrap().validity().unwrap().until;
    let next = |world: &World| plan(world.secret.as_ref(), &world.published, &names(), &schedule(), world.now);
    assert_eq!(next(&world), Step::Wait(serving));
    // and not at once when it is.
    world.publish();
    let taken_up = after(world.now, schedule().take_up());
    assert_eq!(next(&world), Step::Wait(taken_up));
    world.now = taken_up;
    assert_eq!(next(&world), Step::Issue);
    world.lead();
    assert_eq!(next(&world), Step::Wait(after(world.now, schedule().settle())));
    world.pass(schedule().settle());
    assert_eq!(next(&world), Step::Retire);
}

#[test]
fn what_a_hand_has_broken_is_mended_beside_what_is_trusted() {
    let mut world = World::begin();
    let before = world.trusted.clone();
    // The Secret is deleted under replicas that go on serving.
    world.secret = None;
    world.lead();
    let secret = world.secret.clone().unwrap();
    assert_eq!(secret.authorities.first(), before.first());
    assert_eq!(secret.authorities.len(), 2);
    world.publish();
    world.take_up();
    world.is_trusted().unwrap();
    world.load();
    world.is_trusted().unwrap();
    // A key that is not the authority's is of no use, a certificate for another name neither.
    let (now, until) = (world.now, after(world.now, Duration::from_secs(DAY)));
    let other = tls::authority(now, until).unwrap();
    let foreign = Contents { authority_key: other.key.clone(), ..secret.clone() };
    assert_eq!(plan(Some(&foreign), &world.published, &names(), &schedule(), now), Step::AddAuthority);
    let elsewhere = ["elsewhere.svc".to_owned()];
    assert_eq!(plan(Some(&secret), &world.published, &elsewhere, &schedule(), now), Step::Issue);
    let untrusted = Contents { serving: tls::issue(&other, &names(), now, until).unwrap(), ..secret };
    assert_eq!(plan(Some(&untrusted), &world.published, &names(), &schedule(), now), Step::Issue);
}

#[test]
fn contents_survive_the_secret() {
    use k8s_openapi::api::core::v1::Secret;
    let mut world = World::begin();
    world.lead();
    let contents = world.secret.unwrap();
    let secret = Secret { data: Some(contents.data()), ..Secret::default() };
    assert_eq!(Contents::read(&secret).unwrap(), contents);
    assert_eq!(Contents::read(&Secret::default()), None);
    assert!(!format!("{contents:?}").contains("PRIVATE"));
}
