//! The planner, against a cluster that is played: pods go when they are evicted, and come back, or do not.

use proptest::prelude::*;

use super::*;
use crate::index::Obstacle;

const POLICY: &str = "home";

fn workload(name: &str) -> Workload {
    Workload { namespace: "cx".into(), kind: "Deployment".into(), name: name.into() }
}

/// A pod of the played cluster.
#[derive(Debug, Clone)]
struct Played {
    uid: String,
    workload: Workload,
    created: i64,
    outside: bool,
    ready: bool,
    obstacle: Option<Obstacle>,
}

#[derive(Debug)]
struct Cluster {
    pods: Vec<Played>,
    share: Share,
    memory: Memory,
    now: Instant,
    made: i64,
    /// Evicted, and not made up for: by workload, how many.
    away: BTreeMap<Workload, usize>,
}

impl Cluster {
    fn new(share: Share) -> Self {
        let (pods, memory, away) = (Vec::new(), Memory::default(), BTreeMap::new());
        Self { pods, share, memory, now: Instant::now(), made: 0, away }
    }

    /// So many pods of a workload that run outside.
    fn outside(mut self, name: &str, pods: usize) -> Self {
        for _ in 0..pods {
            self.add(&workload(name), true, true, None);
        }
        self
    }

    fn add(&mut self, workload: &Workload, outside: bool, ready: bool, obstacle: Option<Obstacle>) {
        self.made += 1;
        let (uid, created) = (format!("uid-{}", self.made), self.made);
        self.pods.push(Played { uid, workload: workload.clone(), created, outside, ready, obstacle });
    }

    fn strays(&self) -> Strays {
        let evicted = self.memory.evicted();
        let mut strays = Strays::default();
        strays.policies.insert(POLICY.into(), Evicting { uid: None, share: self.share });
        for pod in &self.pods {
            let standing = strays.workloads.entry(pod.workload.clone()).or_default();
            standing.pods += 1;
            let remains = !evicted.contains(&pod.uid);
            standing.staying += usize::from(remains);
            standing.ready += usize::from(pod.ready && remains);
            standing.newest = standing.newest.max(pod.created);
            if pod.outside {
                strays.pods.push(Stray {
                    name: format!("pod-{}", pod.created),
                    uid: pod.uid.clone(),
                    workload: pod.workload.clone(),
                    policies: vec![POLICY.into()],
                    created: pod.created,
                    ready: pod.ready,
                    leaving: evicted.contains(&pod.uid),
                    obstacle: pod.obstacle.clone(),
                });
            }
        }
        strays
    }

    fn plan(&mut self) -> Plan {
        let strays = self.strays();
        plan(&strays, &mut self.memory, self.now)
    }

    /// Plans, and carries it out with this outcome. Who it was.
    fn turn(&mut self, outcome: Outcome) -> Option<Stray> {
        let strays = self.strays();
        let stray = plan(&strays, &mut self.memory, self.now).evict?;
        self.memory.note(&stray, strays.workloads[&stray.workload], outcome, self.now);
        if outcome == Outcome::Evicted {
            self.pods.retain(|pod| pod.uid != stray.uid);
            *self.away.entry(stray.workload.clone()).or_default() += 1;
        }
        Some(stray)
    }

    /// The workload makes up for one of its pods.
    fn make_up(&mut self, workload: &Workload, outside: bool) {
        if let Some(away) = self.away.get_mut(workload).filter(|away| **away > 0) {
            *away -= 1;
            self.add(workload, outside, true, None);
        }
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
    }

    fn status(&mut self) -> PolicyEvictionStatus {
        self.plan().evictions[POLICY].clone()
    }
}

#[test]
fn the_oldest_goes_first_and_the_next_when_the_workload_is_whole_again() {
    let mut cluster = Cluster::new(Share::Percent(100)).outside("web", 3);
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().name, "pod-1");
    assert_eq!(cluster.turn(Outcome::Evicted), None, "one of three is away");
    assert_eq!(cluster.status(), PolicyEvictionStatus { waiting: 2, away: 1, ..<_>::default() });
    cluster.make_up(&workload("web"), false);
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().name, "pod-2");
    cluster.make_up(&workload("web"), false);
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().name, "pod-3");
    cluster.make_up(&workload("web"), false);
    assert_eq!(cluster.status(), PolicyEvictionStatus::default());
}

#[test]
fn a_workload_that_lacks_pods_anyway_loses_no_ready_one() {
    let mut cluster = Cluster::new(Share::Percent(100)).outside("web", 2);
    cluster.add(&workload("web"), false, false, None);
    assert_eq!(cluster.turn(Outcome::Evicted), None);
    // What is not ready is no loss.
    cluster.add(&workload("web"), true, false, None);
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().name, "pod-4");
}

#[test]
fn a_pod_that_becomes_ready_again_replaces_none_that_was_evicted() {
    let mut cluster = Cluster::new(Share::Pods(1)).outside("web", 20);
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().name, "pod-1");
    cluster.pods[7].ready = false;
    assert_eq!(cluster.turn(Outcome::Evicted), None);
    cluster.pods[7].ready = true;
    assert_eq!(cluster.turn(Outcome::Evicted), None, "pod-1 is still away");
    // One that was not ready when another was evicted, likewise.
    cluster.make_up(&workload("web"), false);
    cluster.plan();
    cluster.pods[7].ready = false;
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().name, "pod-2");
    cluster.pods[6].ready = true;
    cluster.pods[7].ready = true;
    assert_eq!(cluster.turn(Outcome::Evicted), None, "pod-2 is still away");
    cluster.make_up(&workload("web"), false);
    assert!(cluster.turn(Outcome::Evicted).is_some());
}

#[test]
fn a_replacement_that_is_not_ready_yet_is_counted_once() {
    let mut cluster = Cluster::new(Share::Pods(2)).outside("web", 20);
    assert!(cluster.turn(Outcome::Evicted).is_some());
    cluster.add(&workload("web"), false, false, None);
    assert!(cluster.turn(Outcome::Evicted).is_some());
    assert_eq!(cluster.turn(Outcome::Evicted), None, "two are away");
    cluster.pods.last_mut().unwrap().ready = true;
    cluster.add(&workload("web"), false, true, None);
    assert!(cluster.turn(Outcome::Evicted).is_some(), "both are made up for");
}

#[test]
fn a_refusal_makes_one_workload_wait_ever_longer_and_no_other() {
    let mut cluster = Cluster::new(Share::Pods(5)).outside("guarded", 2).outside("web", 1);
    assert_eq!(cluster.turn(Outcome::Refused).unwrap().workload, workload("guarded"));
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().workload, workload("web"));
    assert_eq!(cluster.turn(Outcome::Refused), None);
    let PolicyEvictionStatus { waiting, reasons, .. } = cluster.status();
    let message = "Pod cx/pod-1: a disruption budget does not let it go now".to_owned();
    assert_eq!((waiting, reasons), (2, vec![EvictionReason { reason: "DisruptionBudget".into(), pods: 2, message }]));
    cluster.later(FIRST_WAIT);
    assert!(cluster.turn(Outcome::Refused).is_some());
    cluster.later(FIRST_WAIT);
    assert_eq!(cluster.turn(Outcome::Refused), None, "twice as long");
    cluster.later(FIRST_WAIT);
    for _ in 0..20 {
        assert!(cluster.turn(Outcome::Refused).is_some());
        cluster.later(LONGEST_WAIT);
    }
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().workload, workload("guarded"));
}

#[test]
fn pods_that_come_back_outside_are_left_alone_in_the_end() {
    let mut cluster = Cluster::new(Share::Pods(1)).outside("web", 1);
    let mut evicted = 0;
    let told = loop {
        let news = cluster.plan().news;
        if !news.is_empty() {
            break news;
        }
        assert!(cluster.turn(Outcome::Evicted).is_some());
        evicted += 1;
        cluster.make_up(&workload("web"), true);
    };
    assert_eq!(evicted, IN_VAIN);
    assert!(matches!(told.as_slice(), [News::InVain(_)]), "{told:?}");
    cluster.later(QUIET * 2);
    assert_eq!((cluster.turn(Outcome::Evicted), cluster.plan().news), (None, vec![]), "and that is told once");
    let status = cluster.status();
    assert_eq!((status.left, status.reasons[0].reason.as_str()), (1, "CameBackOutside"));
    // Somebody has moved them; when a node moves later on, it begins anew.
    cluster.pods.clear();
    cluster.plan();
    cluster.later(QUIET);
    cluster.plan();
    let mut cluster = cluster.outside("web", 1);
    assert!(cluster.turn(Outcome::Evicted).is_some());
}

#[test]
fn a_pod_that_is_not_made_up_for_is_told_once_and_keeps_its_room() {
    let mut cluster = Cluster::new(Share::Pods(1)).outside("web", 1).outside("api", 1);
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().workload, workload("web"));
    // It comes back and is never ready.
    cluster.add(&workload("web"), false, false, None);
    cluster.later(PATIENCE);
    assert!(matches!(cluster.plan().news.as_slice(), [News::Missing(_)]));
    assert_eq!((cluster.turn(Outcome::Evicted), cluster.plan().news), (None, vec![]));
    assert_eq!(cluster.status(), PolicyEvictionStatus { waiting: 1, away: 1, ..<_>::default() });
    cluster.pods.last_mut().unwrap().ready = true;
    assert_eq!(cluster.turn(Outcome::Evicted).unwrap().workload, workload("api"));
}

#[test]
fn a_workload_that_was_made_smaller_is_whole_after_a_while() {
    let mut cluster = Cluster::new(Share::Pods(1)).outside("web", 2).outside("api", 1);
    assert!(cluster.turn(Outcome::Evicted).is_some());
    assert_eq!(cluster.turn(Outcome::Evicted), None);
    cluster.later(PATIENCE);
    assert!(cluster.turn(Outcome::Evicted).is_some());
}

#[test]
fn what_leaves_already_counts_also_for_who_does_not_know_why() {
    let mut cluster = Cluster::new(Share::Pods(1)).outside("web", 1).outside("api", 1);
    let mut strays = cluster.strays();
    strays.pods[0].leaving = true;
    assert_eq!(plan(&strays, &mut cluster.memory, cluster.now).evict, None);
}

#[test]
fn a_pod_that_is_outside_under_two_policies_takes_room_in_both() {
    let mut cluster = Cluster::new(Share::Pods(2)).outside("web", 1).outside("api", 1);
    let mut strays = cluster.strays();
    strays.policies.insert("strict".into(), Evicting { uid: None, share: Share::Pods(1) });
    strays.pods.iter_mut().for_each(|stray| stray.policies.push("strict".into()));
    let stray = plan(&strays, &mut cluster.memory, cluster.now).evict.unwrap();
    cluster.memory.note(&stray, strays.workloads[&stray.workload], Outcome::Evicted, cluster.now);
    strays.pods.retain(|one| one.uid != stray.uid);
    strays.workloads.insert(stray.workload, Standing::default());
    assert_eq!(plan(&strays, &mut cluster.memory, cluster.now).evict, None);
}

/// What happens next in a played cluster.
#[derive(Debug, Clone)]
enum Happening {
    Turn(Outcome),
    MakeUp { workload: usize, outside: bool },
    Unready { pod: prop::sample::Index },
    Ready { pod: prop::sample::Index },
    Later { seconds: u64 },
}

fn happening() -> impl Strategy<Value = Happening> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Evicted), 1 => Just(Outcome::Refused), 1 => Just(Outcome::Failed), 1 => Just(Outcome::Gone)
    ];
    prop_oneof![
        6 => outcome.prop_map(Happening::Turn),
        3 => (0..4usize, prop::bool::weighted(0.2))
            .prop_map(|(workload, outside)| Happening::MakeUp { workload, outside }),
        1 => any::<prop::sample::Index>().prop_map(|pod| Happening::Unready { pod }),
        2 => any::<prop::sample::Index>().prop_map(|pod| Happening::Ready { pod }),
        // Never so long that a workload counts as whole without what it lacks.
        2 => (0..20u64).prop_map(|seconds| Happening::Later { seconds }),
    ]
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![(1..6usize).prop_map(Share::Pods), (1..=100usize).prop_map(Share::Percent)]
}

proptest! {
    /// Whatever happens, no more are away than the policy and a tenth of the workload allow, and nobody with an obstacle
    /// goes.
    #[test]
    fn never_more_than_the_share_is_away(
        share in share(),
        sizes in prop::collection::vec((0..30usize, 0..30usize), 4),
        happenings in prop::collection::vec(happening(), 1..25),
    ) {
        let mut cluster = Cluster::new(share);
        let names = ["a", "b", "c", "d"].map(workload);
        for (name, (outside, bound)) in names.iter().zip(&sizes) {
            (0..*outside).for_each(|_| cluster.add(name, true, true, None));
            (0..*bound).for_each(|_| cluster.add(name, true, true, Some(Obstacle::SystemNamespace)));
        }
        let total = cluster.pods.len();
        for happening in happenings {
            match happening {
                Happening::Turn(outcome) => {
                    let before = cluster.strays();
                    let Some(stray) = cluster.turn(outcome) else { continue };
                    prop_assert_eq!(&stray.obstacle, &None);
                    if outcome != Outcome::Evicted {
                        continue;
                    }
                    let away: usize = cluster.away.values().sum();
                    prop_assert!(away <= share.among(total), "{} of {}: {:?}", away, total, share);
                    let of_workload = cluster.away[&stray.workload];
                    let Standing { pods, ready, .. } = before.workloads[&stray.workload];
                    let most = OF_WORKLOAD.among(pods + of_workload);
                    prop_assert!(of_workload <= most, "{} of {}", of_workload, pods);
                    prop_assert!(!stray.ready || pods - ready < most, "it lacked {} of {}", pods - ready, pods);
                }
                Happening::MakeUp { workload, outside } => cluster.make_up(&names[workload], outside),
                Happening::Unready { pod } if !cluster.pods.is_empty() => {
                    let at = pod.index(cluster.pods.len());
                    cluster.pods[at].ready = false;
                }
                Happening::Ready { pod } if !cluster.pods.is_empty() => {
                    let at = pod.index(cluster.pods.len());
                    cluster.pods[at].ready = true;
                }
                Happening::Unready { .. } | Happening::Ready { .. } => {}
                Happening::Later { seconds } => cluster.later(Duration::from_secs(seconds)),
            }
        }
    }

    /// Where every pod can be evicted and comes back inside, all of them do.
    #[test]
    fn in_the_end_nobody_is_outside(share in share(), sizes in prop::collection::vec(0..30usize, 4)) {
        let mut cluster = Cluster::new(share);
        let names = ["a", "b", "c", "d"].map(workload);
        for (name, outside) in names.iter().zip(&sizes) {
            (0..*outside).for_each(|_| cluster.add(name, true, true, None));
        }
        let total = cluster.pods.len();
        while let Some(stray) = cluster.turn(Outcome::Evicted) {
            cluster.make_up(&stray.workload, false);
        }
        prop_assert_eq!(cluster.pods.iter().filter(|pod| pod.outside).count(), 0);
        prop_assert_eq!(cluster.pods.len(), total);
    }
}
