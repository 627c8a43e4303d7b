//! Exec, attach, port-forward and proxy: refused unless a policy says from where somebody looks at the data, and that place is
//! allowed. Connecting carries no stamp, so that it is held against what is allowed now.

use std::collections::BTreeSet;

use serde_json::json;

use super::cel;
use super::{Plan, Scope, sentence};
use crate::engine::policy::Accessors;
use crate::interpret::access::Way;
use crate::interpret::world::World;

/// Name of these policies, before what tells them apart.
pub const NAME: &str = "domicile-reach";

/// Users and groups, as a request names them.
#[derive(Default)]
struct People {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
}

impl People {
    fn of<'a>(all: impl Iterator<Item = &'a Accessors>) -> Self {
        all.fold(Self::default(), |mut people, one| {
            people.users.extend(one.users.iter().cloned());
            people.groups.extend(one.groups.iter().cloned());
            people
        })
    }

    fn include_the_user(&self) -> String {
        format!(
            "(request.userInfo.username in {} || (has(request.userInfo.groups) && \
             request.userInfo.groups.exists(group, group in {})))",
            cel::set(&self.users),
            cel::set(&self.groups)
        )
    }
}

/// Adds the policy of a scope. A connection does not show the labels of its pod, so that only whole namespaces can be judged.
pub fn add(plan: &mut Plan, world: &World, scope: &Scope) {
    let Some(first) = scope.access.first().filter(|_| scope.whole && scope.open.is_none()) else { return };
    if !scope.access.refuse_unproven() {
        return plan.leave_unproven("who reaches into pods", scope, &first.policies);
    }
    let law = world.policies.law(&world.lawbook, scope.now);
    let entries = || world.policies.covering(&scope.data, &law).flat_map(|policy| &policy.access);
    let inside = |one: &&Accessors| one.from.within(&first.countries);
    let (inside, outside) = (People::of(entries().filter(inside)), People::of(entries().filter(|one| !inside(one))));
    let allowed = sentence(world, scope, first, "looked at", scope.now);
    let ways: Vec<&str> = Way::ALL.iter().map(|way| way.resource).collect();
    plan.validate(
        format!("{NAME}.{}", scope.id),
        json!({
            "matchConstraints": {
                "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"], "resources": ways,
                    "scope": "Namespaced",
                }],
                "matchPolicy": "Equivalent", "namespaceSelector": scope.namespaces,
            },
            "validations": [
                {
                    "expression": format!("{} || {}", inside.include_the_user(), outside.include_the_user()),
                    "reason": "Forbidden",
                    "message": format!(
                        "[RES-UNKNOWN] nothing says from where this user looks at it: {allowed}. To fix: ask somebody whom \
                         spec.access of a policy names there"
                    ),
                },
                {
                    // Who belongs to groups in two countries may be in either.
                    "expression": format!("!{}", outside.include_the_user()), "reason": "Forbidden",
                    "message": format!(
                        "[RES-PLACE] this user may be elsewhere: {allowed}. To fix: ask somebody whom spec.access of a \
                         policy names there only"
                    ),
                },
            ],
        }),
    );
}
