//! Nobody but the contract says which places DMA reaches.

mod bench {
    include!("../bench.inc");
}
use bench::*;

struct Mine;

impl Place for Mine {}
impl DmaPlace for Mine {}

fn main() {}
