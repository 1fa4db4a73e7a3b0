"""What users' SQL may contain, by target: node types and functions that are known to be right there.

sqlglot translates what it can and is silent about the rest, so nothing is let through because it
parsed. A target that is not in ``TARGETS`` takes no users' SQL. Another engine adds a ``Target`` with
what its golden tests have executed.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AGGREGATES",
    "CLOCK",
    "KEYWORD_CALLS",
    "TARGETS",
    "TYPED",
    "UNREPEATABLE",
    "WINDOW_ONLY",
    "Target",
]


@dataclass(frozen=True)
class Target:
    """``nodes`` are names of sqlglot classes, ``functions`` lower-case names of the dialect."""

    nodes: frozenset[str]
    functions: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLOCK = _words(
    "now today get_current_timestamp transaction_timestamp get_current_time current_localtime "
    "current_localtimestamp ago"
)
"""Functions that ask the clock; ``with_clock`` replaces them by the run's ``started_at``."""

UNREPEATABLE = _words(
    "random rand setseed uuid uuidv4 uuidv7 gen_random_uuid nextval currval reservoir_quantile "
    "txid_current current_query_id current_transaction_id"
)

AGGREGATES = _words(
    """any_value approx_count_distinct approx_quantile arbitrary arg_max arg_max_null arg_min
    arg_min_null argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and bool_or corr
    count count_if count_star countif covar_pop covar_samp entropy favg first fsum geomean
    geometric_mean group_concat histogram kahan_sum kurtosis kurtosis_pop last list listagg mad max
    max_by mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev
    stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp variance wavg
    weighted_avg json_group_array json_group_object json_group_structure"""
)
WINDOW_ONLY = _words(
    "cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank "
    "rank_dense row_number"
)
TYPED = _words(
    """array cast coalesce columns count cume_dist dense_rank exists extract first_value grouping if lag
    last_value lead list_value map nth_value ntile nullif overlay percent_rank percentile_cont
    percentile_disc position rank row row_number struct_pack substring sum avg min max trim try try_cast
    unnest"""
)
"""Functions that sqlglot may read its own way: each one's text comes back with the same meaning.

Every other call is kept as it was written, because sqlglot's own reading of DuckDB loses arguments
(``list_append(a, b, c)``) and changes meanings.
"""

KEYWORD_CALLS = _words("any_value first format hash last left list log range right second xor year")
"""Functions whose names are keywords to sqlglot; kept as written all the same."""

_SCALARS = _words(
    """abs acos acosh add age aggregate apply array_aggr array_aggregate array_append array_apply
    array_cat array_concat array_contains array_cosine_distance array_cosine_similarity
    array_cross_product array_distance array_distinct array_dot_product array_extract array_filter
    array_grade_up array_has array_has_all array_has_any array_indexof array_inner_product
    array_intersect array_length array_pop_back array_pop_front array_position array_prepend
    array_push_back array_push_front array_reduce array_resize array_reverse array_reverse_sort
    array_select array_slice array_sort array_to_json array_to_string array_transform array_unique
    array_value array_where array_zip ascii asin asinh atan atan2 atanh base64 bin bit_count bit_length
    bit_position bitstring cardinality cbrt ceil ceiling century char_length character_length chr concat
    concat_ws contains cos cosh cot damerau_levenshtein date_add date_diff date_part date_sub date_trunc
    datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade
    decode degrees divide editdist3 element_at encode ends_with enum_code enum_first enum_last enum_range
    epoch epoch_ms epoch_ns epoch_us equi_width_bins era even exp factorial fdiv filter flatten floor
    fmod format format_bytes formatreadabledecimalsize formatreadablesize from_base64 from_binary
    from_hex from_json gamma gcd generate_series get_bit grade_up greatest greatest_common_divisor
    hamming hash hex histogram_exact hour ifnull iif instr isfinite isinf isnan isodow isoyear jaccard
    jaro_similarity jaro_winkler_similarity json json_array json_array_length json_contains json_exists
    json_extract json_extract_path json_extract_path_text json_extract_string json_keys
    json_merge_patch json_object json_pretty json_quote json_structure json_transform json_type
    json_valid json_value julian last_day lcase lcm least least_common_multiple left left_grapheme len
    length length_grapheme levenshtein lgamma list_aggr list_aggregate list_any_value list_append
    list_apply list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and
    list_bool_or list_cat list_concat list_contains list_cosine_distance list_cosine_similarity
    list_count list_distance list_distinct list_dot_product list_element list_entropy list_extract
    list_filter list_first list_grade_up list_has list_has_all list_has_any list_histogram list_indexof
    list_inner_product list_intersect list_kurtosis list_last list_mad list_max list_median list_min
    list_mode list_pack list_position list_prepend list_product list_reduce list_resize list_reverse
    list_reverse_sort list_select list_sem list_skewness list_slice list_sort list_stddev_pop
    list_stddev_samp list_string_agg list_sum list_transform list_unique list_var_pop list_var_samp
    list_where list_zip ln log log10 log2 lower lpad ltrim make_date make_time make_timestamp
    make_timestamp_ms make_timestamp_ns make_timestamptz map_concat map_contains map_contains_entry
    map_contains_value map_entries map_extract map_extract_value map_from_entries map_keys map_values
    md5 md5_number md5_number_lower md5_number_upper microsecond millennium millisecond minute
    mismatches mod month monthname multiply nanosecond nextafter nfc_normalize normalized_interval
    octet_length ord parse_dirname parse_dirpath parse_filename parse_formatted_bytes parse_path pi pow
    power prefix printf quarter radians range reduce regexp_escape regexp_extract regexp_extract_all
    regexp_full_match regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right
    right_grapheme round round_even roundbankers row_to_json rpad rtrim second set_bit sha1 sha256 sign
    signbit sin sinh split split_part sqrt starts_with str_split str_split_regex strftime string_split
    string_split_regex string_to_array strip_accents strlen strpos strptime struct_concat
    struct_contains struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_keys
    struct_position struct_update struct_values substr substring_grapheme subtract suffix tan tanh
    time_bucket timezone timezone_hour timezone_minute to_base to_base64 to_binary to_centuries to_days
    to_decades to_hex to_hours to_json to_microseconds to_millennia to_milliseconds to_minutes to_months
    to_quarters to_seconds to_timestamp to_weeks to_years translate trunc try_strptime typeof ucase
    unbin unhex unicode union_extract union_tag union_value upper url_decode url_encode
    uuid_extract_timestamp uuid_extract_version week weekday weekofyear xor year yearweek"""
)

_NODES = _words(
    """Add Alias Aliases All And Anonymous Any Array ArrayContainedBy ArrayContainsAll ArrayOverlaps
    AtTimeZone Avg Between BitwiseAnd BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift Boolean
    Bracket ByteString CTE Case Cast Coalesce Collate Column ColumnDef Columns Comprehension Count Cube
    CumeDist DPipe DataType DataTypeParam DenseRank Distinct Div Dot EQ Escape Except Exists Explode
    Extract Filter FirstValue Format From GT GTE GenerateSeries Glob Group Grouping GroupingSets Having
    ILike Identifier If IgnoreNulls In IntDiv Intersect Interval IntervalSpan Is JSONExtract
    JSONExtractScalar JSONPath JSONPathKey JSONPathRoot JSONPathSubscript Join LT LTE Lag Lambda
    LastValue Lateral Lead Left Like Limit Literal Map Max Min Mod Mul NEQ Neg Not NthValue Ntile Null
    NullSafeEQ NullSafeNEQ Nullif Offset Or Order Ordered Overlay Paren PercentRank PercentileCont
    PercentileDisc Placeholder Pow PropertyEQ Qualify Rank RawString Replace RespectNulls Right Rollup
    RowNumber Select SimilarTo Slice Star StartsWith StrPosition Struct Sub Subquery Substring Sum Table
    TableAlias ToMap Transform Trim Try TryCast Tuple Union Unnest Values Var Where Window WindowSpec
    With WithinGroup"""
)

TARGETS: dict[str, Target] = {
    "duckdb": Target(
        nodes=_NODES,
        functions=AGGREGATES | WINDOW_ONLY | TYPED | _SCALARS,
    ),
}
