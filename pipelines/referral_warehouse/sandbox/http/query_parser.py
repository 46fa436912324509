"""Parses and checks a query string: filters, order, relations, fields, page. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from referral_warehouse.sandbox.domain.resources import RESOURCES, Resource
from referral_warehouse.sandbox.domain.sql_filters import Filter, check_filter
from referral_warehouse.sandbox.http.php_params import Parameters, as_words, parse_query
from referral_warehouse.sandbox.http.refusals import VALIDATION_MESSAGE, Refusal
from referral_warehouse.sandbox.quirks import Quirks

DEFAULT_PER_PAGE = 25
MAX_PER_PAGE = 250
_WHOLE = re.compile(r"\d{1,18}")


@dataclass(frozen=True)
class ResourceQuery:
    """A checked query of a resource; ``fields`` maps the resource ("") and its relations to chosen names."""

    filters: tuple[Filter, ...] = ()
    order: tuple[str, bool] | None = None  # field, descending
    relations: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] | None = None
    page: int = 1
    per_page: int = DEFAULT_PER_PAGE


class _Errors:
    """All validation errors of a query, reported together."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def add(self, field: str, text: str) -> None:
        self.found.setdefault(field, []).append(text)


def parse_resource_query(resource: Resource, query_string: str, quirks: Quirks, is_list: bool = True) -> ResourceQuery:
    """Check a query against a resource's documented fields and relations.

    Raises: Refusal with every validation error found.
    """
    parameters = parse_query(query_string)
    errors = _Errors()
    relations = _read_relations(resource, parameters.pop("with", None), quirks, errors)
    fields = _read_fields(resource, parameters, relations, errors)
    query = ResourceQuery(relations=relations, fields=fields)
    if is_list:
        query = ResourceQuery(
            _read_filters(resource, parameters.pop("filters", None), quirks, errors),
            _read_order(resource, parameters.pop("order", None), errors),
            relations,
            fields,
            _read_page(parameters.pop("page", "1")),
            _read_per_page(resource, parameters.pop("per_page", None), quirks, errors),
        )
    if not quirks.ignore_unknown_parameters:
        for name in parameters:
            errors.add(name, f"The parameter {name} is not known here.")
    if errors.found:
        raise Refusal(400, VALIDATION_MESSAGE, errors.found)
    return query


def _read_relations(resource: Resource, value: Any, quirks: Quirks, errors: _Errors) -> tuple[str, ...]:
    supported = list(resource.relations)
    words = [] if value in (None, "") else as_words(value)
    if resource.name == "users" and quirks.coupon_relation:
        supported.remove("coupon")
        if quirks.coupon_relation == "ignored":
            words = [word for word in words if word != "coupon"]
    if "all" in words:
        return tuple(supported)
    for word in words:
        if word not in supported:
            errors.add("with", f"The relation {word} is not supported.")
    return tuple(dict.fromkeys(words))


def _read_fields(
    resource: Resource, parameters: Parameters, relations: tuple[str, ...], errors: _Errors
) -> dict[str, tuple[str, ...]]:
    """``fields`` and ``fields.<relation>``, which arrives as ``fields_<relation>``."""
    chosen = {}
    views = {"": resource} | {name: RESOURCES[rel.resource] for name, rel in resource.relations.items()}
    for relation, view in views.items():
        parameter = f"fields_{relation}" if relation else "fields"
        if parameter not in parameters:
            continue
        names = [name.strip() for word in as_words(parameters.pop(parameter)) for name in word.split(",")]
        for name in names:
            if name not in view.fields and not (relation == "" and name in relations):
                errors.add(parameter, f"There is no field {name}.")
        chosen[relation] = tuple(name for name in dict.fromkeys(names) if name in view.fields)
    return chosen


def _read_filters(resource: Resource, value: Any, quirks: Quirks, errors: _Errors) -> tuple[Filter, ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        errors.add("filters", "The filters must be an array.")
        return ()
    found = []
    for index, item in value.items():
        where = f"filters.{index}"
        if not isinstance(item, dict):
            errors.add(where, "A filter has a field, an operator and a value.")
            continue
        for unknown in item.keys() - {"field", "operator", "value"}:
            errors.add(f"{where}.{unknown}", f"A filter has no {unknown}.")
        name, operator, text = item.get("field"), item.get("operator", "equal"), item.get("value")
        spec = resource.fields.get(name) if isinstance(name, str) else None
        if spec is None or not spec.is_scalar:
            errors.add(f"{where}.field", f"Rows cannot be filtered by {name}.")
        elif name == "id" and quirks.refuse_id_filters:
            errors.add(f"{where}.field", "Rows cannot be filtered by id.")
        elif not isinstance(text, str) or text == "":
            errors.add(f"{where}.value", "The value of a filter is required.")
        elif (wrong := check_filter(spec, str(operator), text)) is not None:
            errors.add(f"{where}.{wrong[0]}", wrong[1])
        elif not quirks.ignore_filters and name != quirks.ignore_filter_field:
            found.append(Filter(spec, str(operator), text))
    return tuple(found)


def _read_order(resource: Resource, value: Any, errors: _Errors) -> tuple[str, bool] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        errors.add("order", "The order has a field and a direction.")
        return None
    for unknown in value.keys() - {"field", "direction"}:
        errors.add(f"order.{unknown}", f"An order has no {unknown}.")
    name, direction = value.get("field"), value.get("direction", "asc")
    spec = resource.fields.get(name) if isinstance(name, str) else None
    if spec is None or not spec.is_scalar:
        errors.add("order.field", f"Rows cannot be ordered by {name}.")
        return None
    if direction not in ("asc", "desc"):
        errors.add("order.direction", "The direction is asc or desc.")
    return spec.name, direction == "desc"


def _read_page(value: Any) -> int:
    """The requested page; anything but a page number means the first page, as in the framework of the live API."""
    page = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else 1
    return max(page, 1)


def _read_per_page(resource: Resource, value: Any, quirks: Quirks, errors: _Errors) -> int:
    if value is None:
        return DEFAULT_PER_PAGE
    if not isinstance(value, str) or not _WHOLE.fullmatch(value) or int(value) < 1:
        errors.add("per_page", "The per page must be a whole number of at least 1.")
        return DEFAULT_PER_PAGE
    if int(value) > MAX_PER_PAGE and not quirks.clamp_per_page:
        errors.add("per_page", f"The per page may not be greater than {MAX_PER_PAGE}.")
    if quirks.ignore_per_page or (quirks.per_page_users_only and resource.name != "users"):
        return DEFAULT_PER_PAGE
    return min(int(value), MAX_PER_PAGE)
