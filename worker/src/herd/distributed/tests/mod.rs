//! Machines alone, driven by requests and by chance.

mod world;

mod producers;

mod scenarios;

mod fencing;

mod random;
