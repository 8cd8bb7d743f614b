"""Reading: lists of events and counts of activity, never less than what was acknowledged."""

from registrail.query.activity import ActivityFilter, ActivityList, DayLag
from registrail.query.alerts import Alert
from registrail.query.deliveries import DeliveryFilter, DeliveryList
from registrail.query.events import EventFilter, EventList
from registrail.query.history import DeleteFilter, DigestRecord, History, Rows, TagState
from registrail.query.overview import OverviewOf, RegistryOverview, Span
from registrail.query.pushes import PushFilter, PushList
from registrail.query.query import Query, RegistryHealth
from registrail.query.replicas import Replication, ReplicationList

__all__ = [
    "ActivityFilter",
    "ActivityList",
    "Alert",
    "DayLag",
    "DeleteFilter",
    "DeliveryFilter",
    "DeliveryList",
    "DigestRecord",
    "EventFilter",
    "EventList",
    "History",
    "OverviewOf",
    "PushFilter",
    "PushList",
    "Query",
    "RegistryHealth",
    "RegistryOverview",
    "Replication",
    "ReplicationList",
    "Rows",
    "Span",
    "TagState",
]
