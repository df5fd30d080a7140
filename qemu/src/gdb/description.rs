//! The registers that a QEMU offers to GDB, by name.
//!
//! They differ by version: 7.2 has no `msp` and `psp`. Each register's number follows from its
//! place unless it is stated, across all included files.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::error::Error;

/// Where a register is found in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// GDB's number.
    pub(crate) number: u32,
    /// Its size.
    pub(crate) size_bits: u32,
}

/// The registers of one QEMU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Description {
    places: BTreeMap<String, Place>,
    next_number: u32,
}

impl Description {
    /// Adds the registers of one document and returns the names of the documents it includes.
    pub(crate) fn add(&mut self, document: &str) -> Result<Vec<String>, Error> {
        let mut reader = Reader::from_str(document);
        let mut includes = Vec::new();
        loop {
            let event = reader.read_event().map_err(|_| malformed(document))?;
            let (Event::Empty(element) | Event::Start(element)) = event else {
                if event == Event::Eof {
                    return Ok(includes);
                }
                continue;
            };
            match element.name().as_ref() {
                b"xi:include" => {
                    includes.push(attribute(&element, "href").ok_or_else(|| malformed(document))?);
                }
                b"reg" => {
                    self.add_register(&element).ok_or_else(|| malformed(document))?;
                }
                _ => {}
            }
        }
    }

    /// Where a register is, if this QEMU offers it.
    pub(crate) fn place(&self, name: &str) -> Option<Place> {
        self.places.get(name).copied()
    }

    /// All names, in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    fn add_register(&mut self, element: &BytesStart<'_>) -> Option<()> {
        let name = attribute(element, "name")?;
        let size_bits = attribute(element, "bitsize")?.parse().ok()?;
        let number = match attribute(element, "regnum") {
            Some(number) => number.parse().ok()?,
            None => self.next_number,
        };
        self.next_number = number.checked_add(1)?;
        self.places.insert(name, Place { number, size_bits });
        Some(())
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    Some(attribute.unescape_value().ok()?.into_owned())
}

fn malformed(document: &str) -> Error {
    Error::Malformed {
        socket: "GDB",
        expected: "a description of registers in XML",
        found: document.chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(documents: &[&str], name: &str, expected: Option<(u32, u32)>) {
        let mut description = Description::default();
        for document in documents {
            description.add(document).unwrap();
        }
        let expected = expected.map(|(number, size_bits)| Place { number, size_bits });
        assert_eq!(description.place(name), expected, "{name}");
    }

    #[test]
    fn numbers_follow_the_place_unless_stated() {
        let core = r#"<?xml version="1.0"?><!-- c --><!DOCTYPE feature SYSTEM "gdb-target.dtd">
            <feature name="core"><reg name="r0" bitsize="32"/><reg name="r1" bitsize="32"/>
            <reg name="xpsr" bitsize="32" regnum="25"/></feature>"#;
        let float = r#"<feature name="vfp"><reg name="d0" bitsize="64" type="float"/></feature>"#;
        check(&[core, float], "r1", Some((1, 32)));
        check(&[core, float], "xpsr", Some((25, 32)));
        check(&[core, float], "d0", Some((26, 64)));
        check(&[core, float], "msp", None);
    }

    #[test]
    fn included_documents_are_named() {
        let mut description = Description::default();
        let includes = description
            .add(r#"<target><xi:include href="a.xml"/><xi:include href="b.xml"/></target>"#)
            .unwrap();
        assert_eq!(includes, ["a.xml", "b.xml"]);
    }

    #[test]
    fn a_register_without_a_size_is_refused() {
        assert!(Description::default().add(r#"<feature><reg name="r0"/></feature>"#).is_err());
    }
}
