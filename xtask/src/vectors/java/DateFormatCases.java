// SimpleDateFormat as TimestampConverter and TimestampRouter use it: in UTC, in the locale of a worker that is not told any.

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.text.ParseException;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.TimeZone;

final class DateFormatCases {
    /** Eighty years before the fifteenth of January 2026, noon. */
    private static final Date CENTURY_START = new Date(-756_129_600_000L);

    private static final String[] PATTERNS = {
        "yyyy-MM-dd", "yyyyMMdd", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "HH:mm:ss.SSS'Z'", "yyyy-MM-dd HH:mm:ss", "yyyyMMddHHmmssSSS",
        "yy-MM-dd", "yyMMdd", "y-M-d", "yyy-MM", "yyyyy.MM", "MM/dd/yyyy", "dd MMM yyyy", "d MMMM yyyy", "MMM", "MMMM", "LLL yyyy",
        "LLLL", "L/yyyy", "LLyyyy", "EEE, dd MMM yyyy HH:mm:ss z", "EEEE, d. MMMM yyyy", "EEE MMM dd HH:mm:ss zzz yyyy", "hh:mm a",
        "h:mm:ss aa", "K:mm a", "k:mm", "kk", "yyyy-DDD", "yyyyDDD", "D yyyy", "YYYY-'W'ww-u", "YYYY ww", "YYww", "YYYY-ww-EEE", "YYYY",
        "yyyy ww", "yyyy-ww-u", "yyyy MM W u", "yyyy MM W", "yyyy MM F E", "yyyy MM F", "yyyy W w F u", "u", "E", "G yyyy-MM-dd",
        "yyyy G", "YYYY-ww-u G", "yyyy-MM-dd'T'HH:mm:ssX", "yyyy-MM-dd'T'HH:mm:ssXX", "yyyy-MM-dd'T'HH:mm:ssXXX", "yyyy-MM-dd HH:mm Z",
        "yyyy-MM-dd HH:mm z", "HHmmX", "HHmmZ", "s.SSSSSS", "S", "SSS", "ss", "mm", "m", "H", "HHHH", "a", "d", "ddd", "M", "", "''",
        "'text only'", "yyyy''MM", "yyyy'o''clock'MM", "'T'HH", "yyyy\u00e9MM\u20acdd", "\ud83d\ude00yyyy", "yyyy\u00a0MM", "yyyy MM",
        "GGGG zzzz ZZZZ aaaa EEEEE MMMMM uuu FFF WWW DDDD", "HH:mm HH", "dd dd", "yyyy yyyy", "yyyy MM dd yyyy", "HH hh a", "hh a HH",
        "DDD MM dd yyyy", "MM dd DDD yyyy", "ww u MM dd yyyy", "YYYY yyyy", "yyyy YYYY", "yyyy-MM-dd HH", "hh", "hhmm", "Kmm",
        // Not patterns.
        "yyyy-MM-ddTHH", "b", "XXXX", "XXXXX b", "b XXXX", "XXXX'", "yyyy'", "'", "'''", "yyyyXXXXy", "yyyy {", "I", "c", "e", "\u00e4b"
    };

    private static final String[] TEXTS = {
        "", " ", "2024-02-29", "2023-02-29", "2019-13-45", "2024-00-00", "2024--1--1", "-5-01-01", "0-1-1", "1582-10-04", "1582-10-05",
        "1582-10-10", "1582-10-14", "1582-10-15", "1581-30-01", "1581-22-07", "1583--9-01", "1583--3-10", "1582-300", "1582-40 4", "9999-12-31", "10000-01-01",
        "292278994-08-17", "2147483647-12-31", "99999999999-01-01", "99999999999999999999-01-01", "20240229", "2024022", "202402291",
        "20240229123456789", "24-02-29", "46-01-14", "46-01-15", "46-01-16", "45-12-31", "460114", "460116", "5-1-1", "005-1-1", "026-01-01",
        "99-1-1", "-1-1-1", "\u0662\u0660\u0662\u0664-\u0660\u0662-\u0662\u0669", "\uff12\uff14-01-01", "\ud835\udfd0-01-01", "2024-02-29 trailing",
        "2024 - 02 - 29", "2024-\t02-29", " 2024-02-29", "2024-02-29T23:59:60.000Z", "2024-02-29T25:61:61.1000Z", "2024-02-29T-1:-1:-1.-1Z",
        "2024-02-29T12:34:56Z", "2024-02-29T12:34:56+01", "2024-02-29T12:34:56+0130", "2024-02-29T12:34:56+01:30", "2024-02-29T12:34:56-23:59",
        "2024-02-29T12:34:56+24:00", "2024-02-29T12:34:56+1:00", "2024-02-29T12:34:56z", "2024-02-29T12:34:56", "12:34:56.789Z",
        "25:61:61.000Z", "2024-02-29 12:34:56", "2024-02-29 12:34 +0100", "2024-02-29 12:34 GMT", "2024-02-29 12:34 gmt+1:30",
        "2024-02-29 12:34 GMT-10:00", "2024-02-29 12:34 GMT+100", "2024-02-29 12:34 UTC", "2024-02-29 12:34 utcx",
        "2024-02-29 12:34 Coordinated Universal Time", "2024-02-29 12:34 Z", "2024-02-29 12:34 +01:00", "2024-02-29 12:34 ", "1234Z", "1234+01",
        "1234+0100", "Thu, 29 Feb 2024 12:34:56 GMT", "Thu, 29 Feb 2024 12:34:56 UTC", "thu, 29 FEB 2024 12:34:56 gmt", "29 Feb 2024",
        "29 February 2024", "29 february 2024", "9 May 2024", "29 Sept 2024", "29 \u017fep 2024", "29 Ju 2024", "Thursday, 29. February 2024",
        "Thu Feb 29 12:34:56 UTC 2024", "Jan", "january", "May", "Febr", "Feb 2024", "02/29/2024", "2/2024", "022024", "2024 7", "12:30 AM",
        "12:30 am", "12:30 PM", "0:30 PM", "13:30 PM", "12:30", "24:00", "24", "0", "2024-366", "2023-366", "2024-0", "2024366", "366 2024",
        "2024-W09-4", "2024-W53-7", "2024-W00-0", "2024-W09-8", "2024-W09-15", "2024-W09--1", "2024-W09--8", "2024 09", "2409", "4602", "2024-09-Thu", "1582-W42-1",
        "0-W01-1", "2024-09-4", "2024-09-9", "2024-09-0", "2024 02 5 4", "2024 02 -1 4", "2024 02 5", "2024 02 5 Thu", "2024 02 -1 Thu",
        "2024 02 -2", "2024 02 0 Thu", "2024 5 9 5 4", "4", "Thu", "Thursday", "thurs", "AD 2024-02-29", "BC 5-02-29", "bc 1-1-1", "ad 0-1-1", "5 BC", "5 before christ",
        "5 Anno Domini", "5 BCE", "2024-09-4 BC", "59.123456", "1.5", "123456", "1E2-01-01", "1e2-01-01", "15E-1-01-01", "1E-01-01", "1E99999999999-01-01", "1E20-1-1", "NaN-01-01",
        "\u221e", "-\u221e", "+5", "1,234", "2024'02", "2024o'clock02", "T12", "2024\u00e902\u20ac29", "\ud83d\ude002024", "2024\u00a002", "2024 02", "2024\u200302", "text only",
        "'", "12:34 56", "01 02", "2023 2024", "2024 02 29 2023", "12 11 PM", "11 PM 12", "60 02 29 2024", "02 29 60 2024", "09 5 02 29 2024",
        "2147483648-1-1", "4294967295-1-1", "9223372036854775807-1-1", "9223372036854775808-1-1", "-9223372036854775808-1-1", "2024-02-29 1", "2024-02-29 12:34  GMT+1:30",
        "2024-02-29 12:34  utc", "2024-02-29  12:34  +0100", "29  Feb 2024"
    };

    static void write(Vectors vectors) throws IOException {
        Random random = new Random(7);
        List<String> patterns = new ArrayList<>(List.of(PATTERNS));
        String letters = "GyyMMLwWDdFEuaHkKhmsSzZXY";
        for (int i = 0; i < 80; i++) {
            StringBuilder pattern = new StringBuilder();
            for (int field = 0; field < 1 + random.nextInt(4); field++) {
                pattern.append(String.valueOf(letters.charAt(random.nextInt(letters.length()))).repeat(1 + random.nextInt(5)));
                pattern.append(new String[] {"", "", " ", "-", ":", "'x'"}[random.nextInt(6)]);
            }
            patterns.add(pattern.toString());
        }
        for (String pattern : patterns) {
            ObjectNode line = Notation.JSON.objectNode();
            line.put("pattern", pattern);
            SimpleDateFormat format;
            try {
                format = new SimpleDateFormat(pattern, Locale.ENGLISH);
            } catch (IllegalArgumentException error) {
                line.put("error", error.getMessage());
                vectors.add(line);
                continue;
            }
            List<String> texts = new ArrayList<>();
            ArrayNode writes = line.putArray("writes");
            for (long moment : moments(random)) {
                format.setTimeZone(TimeZone.getTimeZone("UTC"));
                String text = format.format(new Date(moment));
                writes.addArray().add(moment).add(text);
                texts.add(text);
            }
            texts.addAll(mutated(texts, random));
            ArrayNode reads = line.putArray("reads");
            for (String text : texts) {
                read(reads, format, text);
            }
            for (String text : TEXTS) {
                // Of those that are made for another pattern, most are not read: a few of them do.
                if (!read(format, text).isNull() || random.nextInt(40) == 0) {
                    read(reads, format, text);
                }
            }
            vectors.add(line);
        }
    }

    private static void read(ArrayNode reads, SimpleDateFormat format, String text) {
        reads.addArray().add(text).add(read(format, text));
    }

    private static com.fasterxml.jackson.databind.JsonNode read(SimpleDateFormat format, String text) {
        // A text with a time zone leaves it behind.
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        format.set2DigitYearStart(CENTURY_START);
        try {
            return Notation.JSON.numberNode(format.parse(text).getTime());
        } catch (ParseException error) {
            return Notation.JSON.nullNode();
        }
    }

    /** Around changes of year, century and calendar, and any others. */
    private static List<Long> moments(Random random) {
        List<Long> moments = new ArrayList<>(List.of(0L, -1L, 1_709_210_096_789L));
        long day = 86_400_000L;
        long[] corners = {-141_427 * day, -719_162 * day, -719_528 * day, 10_957 * day, 253_402_300_800_000L, -141_714 * day, -141_349 * day,
            19_723 * day, Long.MAX_VALUE, Long.MIN_VALUE};
        for (int i = 0; i < 3; i++) {
            long corner = corners[random.nextInt(corners.length)];
            moments.add(corner + (corner == Long.MAX_VALUE ? -1 : corner == Long.MIN_VALUE ? 1 : random.nextInt(41) - 20) * (day / 2 + 12_345));
        }
        for (int i = 0; i < 2; i++) {
            moments.add((long) (random.nextGaussian() * 4e13));
        }
        return moments;
    }

    private static List<String> mutated(List<String> texts, Random random) {
        List<String> mutated = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            StringBuilder text = new StringBuilder(texts.get(random.nextInt(texts.size())));
            for (int change = 0; change < 1 + random.nextInt(2); change++) {
                int at = random.nextInt(text.length() + 1);
                switch (random.nextInt(4)) {
                    case 0 -> text.insert(at, "0123456789-+ :EaZ\u0663".charAt(random.nextInt(18)));
                    case 1 -> text.insert(at, random.nextInt(100));
                    case 2 -> text.setLength(at);
                    default -> {
                        if (at < text.length()) {
                            text.setCharAt(at, "0123456789-+ :EaZ\u0663".charAt(random.nextInt(18)));
                        }
                    }
                }
            }
            // Half a character cannot be written down.
            if (text.chars().noneMatch(unit -> Character.isSurrogate((char) unit))) {
                mutated.add(text.toString());
            }
        }
        return mutated;
    }
}
