//! Against what Java decides.
