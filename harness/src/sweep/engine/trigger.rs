//! What all engines make of a trigger's links and of a scope, so that they make the same of it.

use crate::sweep::fault::{Fault, Link, Scope};
use crate::target::{BenchError, Boundary};
use std::borrow::Cow;

/// An effect that has come this often in one boot comes without end: the boot counts as one that
/// hangs. A stop of GDB takes a third of a millisecond, so this is some three seconds of the host.
pub const FIRING_LIMIT: u32 = 10_000;

/// What a boot of an injected run has used up that hangs on [`FIRING_LIMIT`].
const FIRINGS: &str = "firings of its effect";

/// The links of a trigger that lead to a place, and how many instructions later it is met.
pub(super) fn split(trigger: &[Link]) -> (&[Link], u64) {
    match trigger.split_last() {
        Some((Link::Instructions { count }, links)) => (links, *count),
        _ => (trigger, 0),
    }
}

/// The way from where some links are met to where others are, if these are the same but for a
/// higher count of the last one.
pub(super) fn further(from: &[Link], to: &[Link]) -> Option<Link> {
    let ((last_from, before_from), (last_to, before_to)) = (from.split_last()?, to.split_last()?);
    let (Link::Address { address, count: from }, Link::Address { address: same, count: to }) =
        (last_from, last_to)
    else {
        return None;
    };
    let count = to.checked_sub(*from).filter(|more| *more > 0)?;
    (address == same && before_from == before_to)
        .then_some(Link::Address { address: *address, count })
}

/// Whether a link is met by an access, before which the device stands then. It is made before the
/// next place is looked for.
pub(super) const fn is_access(link: &Link) -> bool {
    matches!(link, Link::Store { .. } | Link::Load { .. })
}

/// Whether a link is a place, to which the device can come again.
pub(super) const fn is_place(link: &Link) -> bool {
    is_access(link) || matches!(link, Link::Address { .. })
}

/// A place, to be met the next time; nothing for what is none.
pub(super) fn once_more(link: &Link) -> Option<Link> {
    let mut again = link.clone();
    match &mut again {
        Link::Address { count, .. } | Link::Store { count, .. } | Link::Load { count, .. } => {
            *count = 1;
            Some(again)
        }
        Link::Boot | Link::Value { .. } | Link::Instructions { .. } | Link::TargetTime { .. } => {
            None
        }
    }
}

/// A fault whose target times are instructions. Each takes the core as long as another, so a time
/// in which it does not sleep is a number of them; `shift` is the power of two of its nanoseconds.
///
/// # Errors
/// Instructions are not counted.
pub(super) fn counted(fault: &Fault, shift: Option<u8>) -> Result<Cow<'_, Fault>, BenchError> {
    if !fault.trigger.iter().any(|link| matches!(link, Link::TargetTime { .. })) {
        return Ok(Cow::Borrowed(fault));
    }
    let shift = shift.ok_or_else(|| {
        BenchError("meet a trigger after some target time: instructions are not counted".to_owned())
    })?;
    let mut fault = fault.clone();
    for link in &mut fault.trigger {
        if let Link::TargetTime { nanoseconds } = link {
            *link = Link::Instructions { count: *nanoseconds >> shift };
        }
    }
    Ok(Cow::Owned(fault))
}

/// How a boot goes on in which the effect has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// To its end.
    End,
    /// To where the last link is met again.
    Again,
    /// Not at all: it hangs.
    Never,
}

/// How a boot goes on in which the effect has come so often.
pub(super) const fn next(scope: Scope, fired: u32) -> Next {
    let is_enough = match scope {
        Scope::Once => true,
        Scope::Window(more) => fired > more,
        Scope::FromThenOn => false,
    };
    match (is_enough, fired >= FIRING_LIMIT) {
        (true, _) => Next::End,
        (false, true) => Next::Never,
        (false, false) => Next::Again,
    }
}

/// The end of a boot whose effect comes without end.
pub(super) fn endless() -> Boundary {
    Boundary::Hang { limit: FIRINGS.to_owned(), pc: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::fault::Effect;

    #[test]
    fn target_time_is_a_number_of_instructions() {
        let trigger = vec![Link::Boot, Link::TargetTime { nanoseconds: 1_000_000 }];
        let effect = Effect::Skip;
        let fault = Fault { boot: 1, trigger, effect, scope: Scope::Once, seed: 1, second: None };
        let found = counted(&fault, Some(5)).unwrap();
        assert_eq!(found.trigger, [Link::Boot, Link::Instructions { count: 31_250 }]);
        assert!(counted(&fault, None).is_err(), "nobody counts");
        let plain = Fault { trigger: vec![Link::Boot], ..fault };
        assert!(counted(&plain, None).is_ok_and(|same| *same == plain));
    }

    #[test]
    fn an_effect_comes_as_often_as_its_scope_says() {
        let check = |scope, fired, expected| assert_eq!(next(scope, fired), expected, "{fired}");
        check(Scope::Once, 1, Next::End);
        check(Scope::Window(2), 2, Next::Again);
        check(Scope::Window(2), 3, Next::End);
        check(Scope::FromThenOn, FIRING_LIMIT - 1, Next::Again);
        check(Scope::FromThenOn, FIRING_LIMIT, Next::Never);
    }

    #[test]
    fn places_are_gone_on_from_where_only_the_count_is_higher() {
        let at = |address, count| Link::Address { address, count };
        let found = further(&[Link::Boot, at(2, 3)], &[Link::Boot, at(2, 5)]);
        assert_eq!(found, Some(at(2, 2)));
        assert_eq!(further(&[at(2, 3)], &[at(2, 3)]), None);
        assert_eq!(further(&[at(2, 3)], &[at(4, 5)]), None);
        assert_eq!(further(&[at(2, 3)], &[Link::Boot, at(2, 5)]), None);
    }
}
