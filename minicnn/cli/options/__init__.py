"""Options of the command line: the parser, the types of values, and groups that commands share.

`Parser.refuse` declares when an option would be ignored; such an option is an error.
"""

from .groups import (
    add_algorithm,
    add_data,
    add_drawing,
    add_drawing_size,
    add_json,
    add_model,
    add_picture_rules,
    add_pictures,
    add_quiet,
)
from .parser import Help, Parser, add_command
from .settings import add_settings
from .values import (
    PICTURES,
    algorithm_names,
    commas,
    destination,
    from_checked,
    given_path,
    name_of,
    names,
    shape,
    threads,
    to_integer,
    to_number,
    writes,
)

__all__ = ["Help", "PICTURES", "Parser", "add_algorithm", "add_command", "add_data", "add_drawing",
           "add_drawing_size", "add_json", "add_model", "add_picture_rules", "add_pictures", "add_quiet",
           "add_settings", "algorithm_names", "commas", "destination", "from_checked", "given_path", "name_of",
           "names", "shape", "threads", "to_integer", "to_number", "writes"]
