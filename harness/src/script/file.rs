//! A script as the text of a scenario, in the form in which people write them.

use super::{Script, Step};
use crashrig_layout::Capabilities;
use crashrig_wire::Fault;
use crashrig_wire::script::Request;
use std::fmt::Write as _;

/// A scenario that plays this script on its first boot. `title` is one sentence, and `found` says
/// what was seen of it; neither holds a quote, a backslash or a line break, or they are replaced.
#[must_use]
pub fn to_toml(script: &Script, title: &str, found: &str) -> String {
    let plain = |text: &str| text.replace(['"', '\\', '\n'], " ");
    let mut text = format!(
        "timeline = [\n  \"1. a heap of the device is asked step by step\",\n  \"2. {}\",\n]\n\
         title = \"{}\"\n\n[[boot]]\nstart = \"cold\"\nfault = \"{}\"\nend = \"clean\"\n\n\
         [[script]]\nboot = 1\nlevel = \"{}\"\nregions = [\n",
        plain(found),
        plain(title),
        Fault::HeapScript,
        script.level,
    );
    for region in &script.regions {
        let caps: Vec<_> = region.caps.iter().map(|caps| names(*caps)).collect();
        let (offset, size) = (region.offset, region.size);
        let caps = caps.join(", ");
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {{ offset = {offset}, size = {size}, caps = [{caps}] }},");
    }
    text.push_str("]\nsteps = [\n");
    for step in &script.steps {
        let _ = writeln!(text, "  {{ {} }},", words(step));
    }
    text.push_str("]\n");
    text
}

fn names(caps: Capabilities) -> String {
    let names: Vec<_> = caps.names().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(", "))
}

fn words(step: &Step) -> String {
    let mut text = format!("do = \"{}\"", step.request.operation());
    let block = |slot: u16, size: u32, bits: u32, alignment: u32| {
        let caps = names(Capabilities::from_bits(bits).unwrap_or_default());
        format!(", slot = {slot}, size = {size}, caps = {caps}, alignment = {alignment}")
    };
    text += &match step.request {
        Request::Allocate { slot, size, caps, alignment }
        | Request::Reallocate { slot, size, caps, alignment } => block(slot, size, caps, alignment),
        Request::Free { slot } => format!(", slot = {slot}"),
        Request::Overrun { slot, size } => format!(", slot = {slot}, size = {size}"),
        Request::Totals { caps } => {
            format!(", caps = {}", names(Capabilities::from_bits(caps).unwrap_or_default()))
        }
        Request::Check | Request::Open { .. } | Request::Region { .. } | Request::Close => {
            String::new()
        }
    };
    if let Some(expected) = step.expected {
        text += &format!(", expect = \"{expected}\"");
    }
    text
}
