// Prints what Kafka's windowed statistics make of events at given times, tab-separated. Output: sampled_stats.tsv.
//     java -cp "LIBS/*" SampledStats.java > sampled_stats.tsv
//   config   window-ms   samples
//   record   ms   value
//   measure  ms   average   maximum   minimum   rate of the sum   rate of events   total
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.metrics.Measurable;
import org.apache.kafka.common.metrics.MeasurableStat;
import org.apache.kafka.common.metrics.MetricConfig;
import org.apache.kafka.common.metrics.stats.Avg;
import org.apache.kafka.common.metrics.stats.CumulativeSum;
import org.apache.kafka.common.metrics.stats.Max;
import org.apache.kafka.common.metrics.stats.Min;
import org.apache.kafka.common.metrics.stats.Rate;
import org.apache.kafka.common.metrics.stats.WindowedCount;

public final class SampledStats {
    private record Event(long at, double value) { }

    public static void main(String[] arguments) {
        for (var shape : List.of(new int[] {30_000, 2}, new int[] {1_000, 3}, new int[] {500, 1})) {
            print(shape[0], shape[1]);
        }
    }

    private static void print(int window, int samples) {
        System.out.println("config\t" + window + "\t" + samples);
        var config = new MetricConfig().timeWindow(window, TimeUnit.MILLISECONDS).samples(samples);
        var random = new Random(window);
        var events = new ArrayList<Event>();
        long now = 0;
        measure(config, events, now);
        for (int step = 0; step < 60; step++) {
            // Mostly within a window, at times after all of them, and at times on the very edge.
            now += switch (random.nextInt(6)) {
                case 0 -> (long) window;
                case 1 -> (long) window * samples;
                case 2 -> (long) window * (samples + 2) + random.nextInt(window);
                default -> random.nextInt(window);
            };
            if (random.nextInt(3) > 0) {
                var event = new Event(now, random.nextInt(1_000));
                events.add(event);
                System.out.println("record\t" + event.at + "\t" + event.value);
            }
            measure(config, events, now);
        }
    }

    /// Reading moves samples that have expired, so every reading gets statistics of its own.
    private static void measure(MetricConfig config, List<Event> events, long now) {
        var line = new StringBuilder("measure\t" + now);
        for (MeasurableStat stat : List.of(new Avg(), new Max(), new Min(), new Rate(), new Rate(new WindowedCount()), new CumulativeSum())) {
            events.forEach(event -> stat.record(config, event.value, event.at));
            line.append('\t').append(((Measurable) stat).measure(config, now));
        }
        System.out.println(line);
    }
}
