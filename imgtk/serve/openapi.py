"""The API as an OpenAPI 3.1 document. The reference in docs/serve.md is made from it."""

from __future__ import annotations

from typing import Any

from imgtk import __version__
from imgtk.serve.options import Limits
from imgtk.serve.problem import MEDIA_TYPE

__all__ = ["document"]


def document(limits: Limits) -> dict[str, Any]:
    """Return the document for a server with these limits."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "imgtk",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Send images through pipelines. Errors are problem details (RFC 9457).",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}, {}],
        "paths": _paths(limits),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


NO_TOKEN = "Needs no token."
"""The description of operations that are open to all."""

FAILURES = {
    401: "A token is required.",
    404: "You have no such job.",
    408: "The request came too slowly.",
    409: "The job has no result; or you have asked for another plan meanwhile.",
    413: "The request, image, pipeline or result is too large.",
    415: "The type of the body is not supported.",
    422: "The pipeline, the image or an option is wrong.",
    429: "You have too many jobs.",
    503: "The queue is full, or the server is busy or shutting down.",
}
"""What a status means."""


def _paths(limits: Limits) -> dict[str, Any]:
    one = [_parameter("id", "path", "Id of the job.", {"type": "string"})]
    preview = {"enum": ["image", "result"], "default": "result"}
    image = {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
    events = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
    prefer = _parameter(
        "Prefer", "header", "`wait=SECONDS`: answer with the result, if it is done by then.", {"type": "string"}
    )
    taken = {"202": {**_json("Job", "The job, in the queue."), "headers": _location()}}
    done = {"200": {"description": "The result, if `Prefer: wait` is given and it is done in time.", **image}}
    return {
        "/run": {
            "post": _operation(
                "Send an image through a pipeline.",
                "Takes a form, or the bytes of an image with the other fields in the query.",
                {**done, **taken},
                (408, 413, 415, 422, 429, 503),
                parameters=[prefer],
                body=_bodies(limits),
            )
        },
        "/jobs": {
            "post": _operation(
                "Create a job.",
                "As `POST /run`, but never waits.",
                taken,
                (408, 413, 415, 422, 429, 503),
                body=_bodies(limits),
            )
        },
        "/jobs/{id}": {
            "get": _operation("Return the state of a job.", "", {"200": _json("Job")}, (404,), parameters=one),
            "delete": _operation(
                "Stop a job, or delete it.",
                "A job that waits or runs is stopped; a finished one is deleted with its result.",
                {"200": _json("Job", "The job has ended."), "202": _json("Job", "The job is stopping.")},
                (404,),
                parameters=one,
            ),
        },
        "/jobs/{id}/events": {
            "get": _operation(
                "Follow a job.",
                "Server-sent events called `job`, each with the whole job; the stream ends when the job does.",
                {"200": {"description": "The events.", **events}},
                (404,),
                parameters=one,
            )
        },
        "/jobs/{id}/result": {
            "get": _operation(
                "Download the result.",
                f"Kept for {limits.keep_seconds:g} seconds.",
                {"200": {"description": "The file that `imgtk run` would write.", **image}},
                (404, 409),
                parameters=one,
            )
        },
        "/jobs/{id}/preview": {
            "get": _operation(
                "Show the image or the result.",
                "As a PNG of 8 megapixels at most, for formats and sizes that browsers do not show.",
                {"200": {"description": "The preview.", **image}},
                (404, 409),
                parameters=[*one, _parameter("of", "query", "Which of the two.", {"type": "string", **preview})],
            )
        },
        "/plan": {
            "post": _operation(
                "Plan a pipeline without running it.",
                "Checks the text, and returns sizes, memory and an estimate of the time.",
                {"200": _json("Plan")},
                (409, 413, 422, 503),
                body={"required": True, "content": {"application/json": {"schema": _plan_request()}}},
            )
        },
        "/operators": {"get": _operation("List the operators.", "", {"200": _list("Operator")})},
        "/models": {"get": _operation("List the weights, by their cards.", "", {"200": _list("Card")})},
        "/presets": {"get": _operation("List the presets.", "", {"200": _list("Preset")})},
        "/health": {"get": _operation("Check whether the server works.", NO_TOKEN, {"200": _json("Health")})},
        "/openapi.json": {"get": _operation("Return this document.", NO_TOKEN, {"200": _json("Object")})},
    }


def _operation(
    summary: str, description: str, responses: dict[str, Any], problems: tuple[int, ...] = (), **more: Any
) -> dict[str, Any]:
    problem = {"content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}
    if description == NO_TOKEN:
        more["security"] = []
    else:
        problems = (*problems, 401)
    failed = {str(status): {"description": FAILURES[status], **problem} for status in problems}
    body = {"requestBody": more.pop("body")} if "body" in more else {}
    words = {"summary": summary, **({"description": description} if description else {})}
    return {**words, **more, **body, "responses": {**responses, **failed}}


def _bodies(limits: Limits) -> dict[str, Any]:
    fields = {
        "pipeline": {"type": "string", "maxLength": limits.text, "description": "Text of the pipeline."},
        "format": {
            "enum": ["jpg", "png", "webp", "tif", "bmp"],
            "description": "Format of the result.",
        },
        "quality": {"type": "integer", "minimum": 1, "maximum": 100, "description": "Quality of JPEG and WebP."},
        "lossless": {"type": "boolean", "description": "Whether WebP keeps every pixel."},
        "depth": {"enum": [8, 16], "description": "Bits per channel."},
        "seed": {"type": "integer", "minimum": 0, "description": "Seed of operators that use random numbers."},
    }
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    files = {
        "image": {**binary, "description": f"The image: {limits.pixels_in:,} pixels at most."},
        "*": {**binary, "description": "Further images, which the pipeline calls by their file names."},
    }
    form = {"type": "object", "required": ["pipeline", "image"], "properties": {**fields, **files}}
    raw = {"schema": {"type": "string", "format": "binary"}}
    return {"required": True, "content": {"multipart/form-data": {"schema": form}, "image/*": raw}}


def _plan_request() -> dict[str, Any]:
    size = {"type": "array", "prefixItems": [{"type": "integer"}] * 2, "default": [1920, 1080]}
    files = {"type": "array", "items": {"type": "string"}, "description": "Names of images that will be sent along."}
    pipeline = {"type": "string", "description": "Text of the pipeline."}
    properties = {"pipeline": pipeline, "size": {**size, "description": "Width and height."}, "files": files}
    return {"type": "object", "required": ["pipeline"], "properties": properties}


def _schemas() -> dict[str, Any]:
    text, number, whole = {"type": "string"}, {"type": "number"}, {"type": "integer"}
    size = {"type": "array", "items": whole, "description": "Width and height."}
    maybe = ["object", "null"]
    state = {"enum": ["queued", "running", "cancelling", "done", "failed", "cancelled"]}
    progress = _object(done=whole, total=whole, stage=text, share=number)
    result = _object(name=text, type=text, size=size, bytes=whole, notes=_array(text), warnings=_array(text))
    result |= {"type": maybe}
    return {
        "Problem": _object(
            **{"type": text, "title": text, "status": whole, "detail": text, "hint": text},
            start={**whole, "description": "First wrong character of the pipeline."},
            end={**whole, "description": "The one after the last."},
            caret={**text, "description": "The wrong line of the pipeline, and carets below what is wrong."},
        ),
        "Job": _object(
            id=text,
            state=state,
            created={**text, "format": "date-time"},
            pipeline=text,
            image=_object(name=text, size=size),
            planned=_object(size=size),
            position={"type": ["integer", "null"], "description": "Number of jobs that are done before."},
            progress=progress,
            seconds_left={"type": ["number", "null"]},
            result=result,
            problem={"anyOf": [_ref("Problem"), {"type": "null"}]},
        ),
        "Plan": _object(
            pipeline={**text, "description": "The text in its canonical form."},
            chain={"type": ["array", "null"], "description": "Stages, if the pipeline is one chain."},
            plan={"type": maybe, "description": "As `imgtk plan --json`, with `notes` and estimated `seconds`."},
        ),
        "Operator": _object(
            name=text,
            summary=text,
            weights=_array(text),
            parameters=_array({"type": "object", "description": "Name, help, default, and a JSON Schema as `schema`."}),
        ),
        "Card": {"type": "object", "description": "As `imgtk models --json`."},
        "Preset": _object(name=text, pipeline=text, summary=text),
        "Health": _object(
            status={"enum": ["ok", "starting"]},
            version=text,
            workers=_object(ready=number, all=number),
            token_needed={"type": "boolean"},
            presets_only={"type": "boolean"},
        ),
        "Object": {"type": "object"},
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str, description: str = "") -> dict[str, Any]:
    return {"description": description or name, "content": {"application/json": {"schema": _ref(name)}}}


def _list(name: str) -> dict[str, Any]:
    return {"description": "All of them.", "content": {"application/json": {"schema": _array(_ref(name))}}}


def _parameter(name: str, place: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "description": description, "schema": schema}


def _location() -> dict[str, Any]:
    return {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}
