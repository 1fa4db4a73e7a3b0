"""Names of countries and currencies, in lower case, for the fixes country and currency."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COUNTRY_NAMES", "CURRENCY_NAMES"]


def _read(text: str) -> dict[str, str]:
    """``CODE name, name; CODE name``."""
    found: dict[str, str] = {}
    for entry in text.replace("\n", " ").split(";"):
        code, _, names = entry.strip().partition(" ")
        for name in names.split(","):
            key = " ".join(name.split())
            if found.setdefault(key, code) != code:
                raise ValueError(f"'{key}' is said to be both {found[key]} and {code}")
    return found


COUNTRY_NAMES: Mapping[str, str] = _read(
    """AD and, andorra; AE are, united arab emirates, uae, emirates; AF afg, afghanistan; AG atg, antigua and
    barbuda, antigua & barbuda; AI aia, anguilla; AL alb, albania; AM arm, armenia; AO ago, angola; AQ ata,
    antarctica; AR arg, argentina; AS asm, american samoa; AT aut, austria, österreich; AU aus, australia;
    AW abw, aruba; AX ala, åland islands, aland islands; AZ aze, azerbaijan; BA bih, bosnia and herzegovina,
    bosnia & herzegovina, bosnia; BB brb, barbados; BD bgd, bangladesh; BE bel, belgium, belgië, belgique;
    BF bfa, burkina faso; BG bgr, bulgaria; BH bhr, bahrain; BI bdi, burundi; BJ ben, benin; BL blm, saint
    barthélemy, saint barthelemy; BM bmu, bermuda; BN brn, brunei darussalam, brunei; BO bol, bolivia; BQ
    bes, bonaire sint eustatius and saba, caribbean netherlands; BR bra, brazil, brasil; BS bhs, bahamas; BT
    btn, bhutan; BV bvt, bouvet island; BW bwa, botswana; BY blr, belarus; BZ blz, belize; CA can, canada;
    CC cck, cocos islands, cocos (keeling) islands; CD cod, democratic republic of the congo, congo
    kinshasa, dr congo, drc; CF caf, central african republic; CG cog, congo brazzaville, republic of the
    congo; CH che, switzerland, schweiz, suisse, svizzera; CI civ, côte d'ivoire, cote d'ivoire, ivory
    coast; CK cok, cook islands; CL chl, chile; CM cmr, cameroon; CN chn, china, people's republic of china,
    prc; CO col, colombia; CR cri, costa rica; CU cub, cuba; CV cpv, cabo verde, cape verde; CW cuw,
    curaçao, curacao; CX cxr, christmas island; CY cyp, cyprus; CZ cze, czechia, czech republic; DE deu,
    germany, deutschland; DJ dji, djibouti; DK dnk, denmark, danmark; DM dma, dominica; DO dom, dominican
    republic; DZ dza, algeria; EC ecu, ecuador; EE est, estonia; EG egy, egypt; EH esh, western sahara; ER
    eri, eritrea; ES esp, spain, españa, espana; ET eth, ethiopia; FI fin, finland, suomi; FJ fji, fiji; FK
    flk, falkland islands; FM fsm, micronesia; FO fro, faroe islands, faeroe islands; FR fra, france; GA
    gab, gabon; GB gbr, united kingdom, united kingdom of great britain and northern ireland, great britain,
    uk, england, scotland, wales, northern ireland; GD grd, grenada; GE geo, georgia; GF guf, french guiana;
    GG ggy, guernsey; GH gha, ghana; GI gib, gibraltar; GL grl, greenland; GM gmb, gambia; GN gin, guinea;
    GP glp, guadeloupe; GQ gnq, equatorial guinea; GR grc, greece, hellas; GS sgs, south georgia and the
    south sandwich islands; GT gtm, guatemala; GU gum, guam; GW gnb, guinea bissau; GY guy, guyana; HK hkg,
    hong kong, hong kong sar; HM hmd, heard island and mcdonald islands; HN hnd, honduras; HR hrv, croatia,
    hrvatska; HT hti, haiti; HU hun, hungary; ID idn, indonesia; IE irl, ireland, republic of ireland, éire;
    IL isr, israel; IM imn, isle of man; IN ind, india; IO iot, british indian ocean territory; IQ irq,
    iraq; IR irn, iran, islamic republic of iran; IS isl, iceland; IT ita, italy, italia; JE jey, jersey; JM
    jam, jamaica; JO jor, jordan; JP jpn, japan, nippon; KE ken, kenya; KG kgz, kyrgyzstan; KH khm,
    cambodia; KI kir, kiribati; KM com, comoros; KN kna, saint kitts and nevis, st kitts and nevis; KP prk,
    north korea, democratic people's republic of korea, dprk; KR kor, south korea, republic of korea; KW
    kwt, kuwait; KY cym, cayman islands; KZ kaz, kazakhstan; LA lao, laos, lao people's democratic republic;
    LB lbn, lebanon; LC lca, saint lucia, st lucia; LI lie, liechtenstein; LK lka, sri lanka; LR lbr,
    liberia; LS lso, lesotho; LT ltu, lithuania; LU lux, luxembourg, luxemburg; LV lva, latvia; LY lby,
    libya; MA mar, morocco; MC mco, monaco; MD mda, moldova, republic of moldova; ME mne, montenegro; MF
    maf, saint martin; MG mdg, madagascar; MH mhl, marshall islands; MK mkd, north macedonia, macedonia; ML
    mli, mali; MM mmr, myanmar, burma; MN mng, mongolia; MO mac, macao, macau; MP mnp, northern mariana
    islands; MQ mtq, martinique; MR mrt, mauritania; MS msr, montserrat; MT mlt, malta; MU mus, mauritius;
    MV mdv, maldives; MW mwi, malawi; MX mex, mexico, méxico; MY mys, malaysia; MZ moz, mozambique; NA nam,
    namibia; NC ncl, new caledonia; NE ner, niger; NF nfk, norfolk island; NG nga, nigeria; NI nic,
    nicaragua; NL nld, netherlands, nederland, kingdom of the netherlands; NO nor, norway, norge; NP npl,
    nepal; NR nru, nauru; NU niu, niue; NZ nzl, new zealand, aotearoa; OM omn, oman; PA pan, panama; PE per,
    peru; PF pyf, french polynesia; PG png, papua new guinea; PH phl, philippines; PK pak, pakistan; PL pol,
    poland, polska; PM spm, saint pierre and miquelon; PN pcn, pitcairn; PR pri, puerto rico; PS pse,
    palestine, state of palestine; PT prt, portugal; PW plw, palau; PY pry, paraguay; QA qat, qatar; RE reu,
    réunion, reunion; RO rou, romania; RS srb, serbia; RU rus, russia, russian federation; RW rwa, rwanda;
    SA sau, saudi arabia; SB slb, solomon islands; SC syc, seychelles; SD sdn, sudan; SE swe, sweden,
    sverige; SG sgp, singapore; SH shn, saint helena; SI svn, slovenia, slovenija; SJ sjm, svalbard and jan
    mayen; SK svk, slovakia, slovak republic; SL sle, sierra leone; SM smr, san marino; SN sen, senegal; SO
    som, somalia; SR sur, suriname; SS ssd, south sudan; ST stp, sao tome and principe; SV slv, el salvador;
    SX sxm, sint maarten; SY syr, syria, syrian arab republic; SZ swz, eswatini, swaziland; TC tca, turks
    and caicos islands; TD tcd, chad; TF atf, french southern territories; TG tgo, togo; TH tha, thailand;
    TJ tjk, tajikistan; TK tkl, tokelau; TL tls, timor leste, east timor; TM tkm, turkmenistan; TN tun,
    tunisia; TO ton, tonga; TR tur, turkey, türkiye, turkiye; TT tto, trinidad and tobago; TV tuv, tuvalu;
    TW twn, taiwan; TZ tza, tanzania, united republic of tanzania; UA ukr, ukraine; UG uga, uganda; UM umi,
    united states minor outlying islands; US usa, united states, united states of america, america; UY ury,
    uruguay; UZ uzb, uzbekistan; VA vat, holy see, vatican, vatican city; VC vct, saint vincent and the
    grenadines; VE ven, venezuela; VG vgb, british virgin islands; VI vir, us virgin islands; VN vnm,
    vietnam, viet nam; VU vut, vanuatu; WF wlf, wallis and futuna; WS wsm, samoa; YE yem, yemen; YT myt,
    mayotte; ZA zaf, south africa; ZM zmb, zambia; ZW zwe, zimbabwe"""
)
"""ISO 3166-1: alpha-3 codes and English short names, with usual other names -> alpha-2."""

CURRENCY_NAMES: Mapping[str, str] = _read(
    """AED dirham, uae dirham; ARS argentine peso; AUD australian dollar, a$, au$; BDT taka, ৳; BGN lev,
    bulgarian lev; BRL real, brazilian real, r$; CAD canadian dollar, c$, ca$; CHF swiss franc, sfr; CLP
    chilean peso; CNY yuan, renminbi, rmb, chinese yuan; COP colombian peso; CZK czech koruna, kč; DKK
    danish krone; EGP egyptian pound; EUR euro, euros, €; GBP pound sterling, sterling, british pound, £;
    GHS cedi, ₵; HKD hong kong dollar, hk$; HUF forint, hungarian forint, ft; IDR indonesian rupiah, rupiah;
    ILS shekel, new shekel, israeli new shekel, ₪; INR indian rupee, ₹; ISK icelandic króna; JPY yen,
    japanese yen; KES kenyan shilling; KRW won, south korean won, ₩; KZT tenge, ₸; MXN mexican peso; MYR
    ringgit, malaysian ringgit; NGN naira, ₦; NOK norwegian krone; NZD new zealand dollar, nz$; PEN sol; PHP
    philippine peso, ₱; PKR pakistani rupee; PLN zloty, złoty, polish zloty, zł; RON romanian leu; RSD
    serbian dinar; RUB ruble, rouble, russian ruble, ₽; SAR saudi riyal; SEK swedish krona; SGD singapore
    dollar, s$; THB baht, thai baht, ฿; TRY turkish lira, ₺; TWD new taiwan dollar, nt$; UAH hryvnia, ₴; USD
    us dollar, us dollars, us$, united states dollar; VND dong, vietnamese dong, ₫; ZAR rand, south african
    rand"""
)
"""ISO 4217: English names and the signs that mean one currency alone -> code."""
