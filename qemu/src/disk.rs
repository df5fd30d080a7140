//! An empty disk in the format of QEMU that keeps snapshots of a whole machine.
//!
//! Written here, since it is a header and two tables, and the program that makes such files is not
//! installed beside every QEMU. The guest never sees the disk: no device uses it. Source: the
//! specification of the format in QEMU's own documents, docs/interop/qcow2.txt, version 2; from
//! memory, and opened by QEMU 7.2 and 10.0 in the tests.

/// Size of a cluster as a power of two: 64 KiB, QEMU's own choice.
const CLUSTER_BITS: u32 = 16;
const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;

/// What the disk would hold; nothing is ever put there.
const CONTENT_BYTES: u64 = 1 << 20;

/// Clusters in use: the header, the table of reference counts, one block of counts, the table of
/// the content.
const CLUSTERS: u64 = 4;

/// The bytes of the file.
pub(crate) fn empty() -> Vec<u8> {
    let cluster = |number: u64| number * CLUSTER_BYTES;
    let mut header = Vec::new();
    header.extend(b"QFI\xfb");
    header.extend(2_u32.to_be_bytes()); // version
    header.extend(0_u64.to_be_bytes()); // no backing file
    header.extend(0_u32.to_be_bytes()); // of no length
    header.extend(CLUSTER_BITS.to_be_bytes());
    header.extend(CONTENT_BYTES.to_be_bytes());
    header.extend(0_u32.to_be_bytes()); // not encrypted
    header.extend(1_u32.to_be_bytes()); // entries of the table of the content
    header.extend(cluster(3).to_be_bytes()); // where it is
    header.extend(cluster(1).to_be_bytes()); // where the table of reference counts is
    header.extend(1_u32.to_be_bytes()); // its clusters
    header.extend([0; 12]); // no snapshots yet, nowhere
    let counts: Vec<u8> = (0..CLUSTERS).flat_map(|_| 1_u16.to_be_bytes()).collect();
    let parts = [(0, header), (1, cluster(2).to_be_bytes().to_vec()), (2, counts)];
    let mut bytes = vec![0; usize::try_from(cluster(CLUSTERS)).unwrap_or(0)];
    for (number, part) in parts {
        let start = usize::try_from(cluster(number)).unwrap_or(0);
        if let Some(place) = bytes.get_mut(start..start + part.len()) {
            place.copy_from_slice(&part);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_stand_where_the_header_says() {
        let bytes = empty();
        assert_eq!(bytes.len() as u64, CLUSTERS * CLUSTER_BYTES);
        let word = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        let counts = word(48) as usize;
        let block = word(counts) as usize;
        assert_eq!(&bytes[block..block + 10], &[0, 1, 0, 1, 0, 1, 0, 1, 0, 0]);
        assert_eq!(word(word(40) as usize), 0, "no content");
    }
}
