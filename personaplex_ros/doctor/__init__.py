"""Whether this machine will work: one check a file, each with what it found and a remedy."""

from personaplex_ros.doctor.examination import Section, examine
from personaplex_ros.doctor.finding import Finding, Setup, Status

__all__ = ["Finding", "Section", "Setup", "Status", "examine"]
