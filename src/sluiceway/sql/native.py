"""What SQL may contain that a step brings in an engine's own dialect (``dialect: spark``).

It is not translated, so nothing here is known to mean what it means elsewhere; it only has to be safe: one
SELECT whose functions compute from their arguments, the same on every run. Those that read files, call
code, ask who or when it is, or draw lots are not listed.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluiceway.sql.support import TARGETS, Target

__all__ = ["GENERATORS", "NATIVE"]

GENERATORS = frozenset(
    [
        "explode",
        "explode_outer",
        "posexplode",
        "posexplode_outer",
        "inline",
        "inline_outer",
        "json_tuple",
        "stack",
    ]
)
"""Functions that make rows of a value; they may stand in LATERAL VIEW."""

_SHARED = """
    abs acos array_agg ascii asin atan atan2 avg bit_and bit_length bit_or bool_and bool_or btrim cardinality
    cbrt ceil ceiling char_length character_length chr coalesce concat concat_ws corr cos cosh cot count
    covar_pop covar_samp cume_dist date_part date_trunc decode degrees dense_rank encode every exp extract
    factorial first_value floor greatest grouping initcap lag last_value lead least left length ln log log10
    lower lpad ltrim make_date make_interval make_timestamp max md5 min mod mode nth_value ntile nullif
    octet_length overlay percent_rank percentile_cont percentile_disc pi position pow power radians rank
    regexp_count regexp_instr regexp_like regexp_replace regexp_substr regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row_number
    rpad rtrim sign sin sinh split_part sqrt stddev stddev_pop stddev_samp string_agg substr substring sum tan
    tanh to_char to_date to_number to_timestamp translate trim trunc upper var_pop var_samp variance
"""
_SPARK = """
    acosh add_months aggregate any any_value approx_count_distinct approx_percentile array array_append
    array_compact array_contains array_distinct array_except array_insert array_intersect array_join array_max
    array_min array_position array_prepend array_remove array_repeat array_size array_sort array_union
    arrays_overlap arrays_zip asinh assert_true atanh base64 bigint bin binary bit_count bit_get bit_xor
    boolean
    bround char collate collect_list collect_set contains conv convert_timezone count_if crc32 csc date
    date_add date_diff date_format date_from_unix_date date_sub dateadd datediff datepart day dayname
    dayofmonth
    dayofweek dayofyear decimal double e element_at elt endswith equal_null exists expm1 filter find_in_set
    first flatten float forall format_number format_string from_csv from_json from_unixtime from_utc_timestamp
    get get_json_object getbit grouping_id hash hex histogram_numeric hour hypot if ifnull ilike instr int
    is_valid_utf8 isnan isnotnull isnull json_array_length json_object_keys kurtosis last last_day lcase len
    levenshtein like listagg locate log1p log2 luhn_check make_dt_interval make_timestamp_ltz
    make_timestamp_ntz make_valid_utf8 make_ym_interval map map_concat map_contains_key map_entries map_filter
    map_from_arrays map_from_entries map_keys map_values map_zip_with mask max_by mean median min_by minute
    month monthname months_between named_struct nanvl negative next_day nullifzero nvl nvl2 parse_json
    parse_url percentile percentile_approx pmod positive printf quarter quote raise_error reduce regexp
    regexp_extract regexp_extract_all rint rlike schema_of_csv schema_of_json sec second sentences sequence
    sha sha1 sha2 shiftleft shiftright shiftrightunsigned signum size skewness slice smallint some sort_array
    soundex space split startswith std str_to_map string struct substring_index timestamp timestamp_micros
    timestamp_millis timestamp_seconds tinyint to_binary to_csv to_json to_timestamp_ltz to_timestamp_ntz
    to_unix_timestamp to_utc_timestamp to_varchar transform transform_keys transform_values try_add try_avg
    try_divide try_element_at try_multiply try_parse_json try_subtract try_sum try_to_binary try_to_number
    try_to_timestamp try_url_decode try_variant_get typeof ucase unbase64 unhex unix_date unix_micros
    unix_millis unix_seconds url_decode url_encode variant_get weekday weekofyear when width_bucket xxhash64
    year zeroifnull zip_with
"""
_POSTGRES = """
    acosd acosh array_append array_cat array_dims array_fill array_length array_lower array_ndims
    array_position array_positions array_prepend array_remove array_replace array_to_json array_to_string
    array_upper asind asinh atan2d atand atanh cosd cotd date_bin div format gcd generate_series
    generate_subscripts get_bit get_byte isempty isfinite json_agg json_array_elements
    json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text
    json_extract_path json_extract_path_text json_object json_object_agg json_object_keys json_strip_nulls
    json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert
    jsonb_object jsonb_object_agg jsonb_object_keys jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_typeof
    justify_days justify_hours justify_interval lcm lower_inc lower_inf make_time min_scale normalize
    num_nonnulls num_nulls regexp_match regexp_matches regexp_split_to_array regexp_split_to_table scale
    set_bit set_byte sha224 sha256 sha384 sha512 sind starts_with string_to_array string_to_table strpos tand
    timezone to_ascii to_hex to_json to_jsonb trim_array trim_scale unistr unnest upper_inc upper_inf
    width_bucket convert_to convert_from row_to_json
"""
_MORE = (
    "Lateral", "RegexpLike", "RegexpILike", "AnonymousAggFunc", "SortArray", "Explode", "ParameterizedAgg",
    "RespectNulls", "IgnoreNulls", "AtTimeZone", "JSONExtract", "JSONExtractScalar", "BitwiseXor", "Collate",
)  # fmt: skip


def _target(*lists: str) -> Target:
    words = frozenset(" ".join(lists).split())
    return Target(nodes=TARGETS["duckdb"].nodes | set(_MORE), functions=words | GENERATORS)


NATIVE: Mapping[str, Target] = {"spark": _target(_SHARED, _SPARK), "postgres": _target(_SHARED, _POSTGRES)}
