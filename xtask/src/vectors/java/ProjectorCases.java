// SchemaProjector: values of one schema as values of another.

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.SchemaProjector;
import org.apache.kafka.connect.data.Timestamp;

final class ProjectorCases {
    static void write(Vectors vectors) throws IOException {
        Samples samples = new Samples(5);
        for (Schema.Type from : Samples.SCALARS) {
            for (Schema.Type to : Samples.SCALARS) {
                for (boolean isOptional : new boolean[] {false, true}) {
                    Schema source = isOptional ? new SchemaBuilder(from).optional().build() : new SchemaBuilder(from).build();
                    project(vectors, source, samples.value(source, true), new SchemaBuilder(to).build());
                }
            }
        }
        Schema optional = Schema.OPTIONAL_INT32_SCHEMA;
        project(vectors, optional, null, Schema.INT32_SCHEMA);
        project(vectors, optional, null, SchemaBuilder.int32().defaultValue(5).build());
        project(vectors, optional, null, SchemaBuilder.int64().optional().defaultValue(5L).build());
        project(vectors, optional, 3, SchemaBuilder.int64().defaultValue(5L).build());
        project(vectors, SchemaBuilder.int32().name("a").build(), 1, SchemaBuilder.int32().name("b").build());
        project(vectors, SchemaBuilder.int32().parameter("a", "1").build(), 1, SchemaBuilder.int32().build());
        project(vectors, Decimal.schema(2), new java.math.BigDecimal("1.50"), Decimal.schema(3));
        project(vectors, Decimal.schema(2), new java.math.BigDecimal("1.50"), Decimal.schema(2));
        project(vectors, Date.SCHEMA, new java.util.Date(0), Timestamp.SCHEMA);
        project(vectors, Date.SCHEMA, new java.util.Date(0), SchemaBuilder.int32().build());
        Schema array = SchemaBuilder.array(Schema.INT32_SCHEMA).build();
        project(vectors, array, java.util.List.of(1, 2), SchemaBuilder.array(Schema.INT64_SCHEMA).build());
        project(vectors, array, java.util.List.of(1, 2), SchemaBuilder.array(Schema.STRING_SCHEMA).build());
        Schema map = SchemaBuilder.map(Schema.INT8_SCHEMA, Schema.INT32_SCHEMA).build();
        project(vectors, map, java.util.Map.of((byte) 1, 2), SchemaBuilder.map(Schema.INT16_SCHEMA, Schema.FLOAT64_SCHEMA).build());
        for (int i = 0; i < 300; i++) {
            Schema source = samples.schema(2);
            Object value = samples.value(source, true);
            project(vectors, source, value, samples.oneIn(8) ? samples.schema(2) : changed(samples, source));
        }
    }

    /** A schema like another one, with small changes. */
    private static Schema changed(Samples samples, Schema source) {
        Schema.Type type = source.type();
        SchemaBuilder builder;
        switch (type) {
            case ARRAY -> builder = SchemaBuilder.array(changed(samples, source.valueSchema()));
            case MAP -> builder = SchemaBuilder.map(changed(samples, source.keySchema()), changed(samples, source.valueSchema()));
            case STRUCT -> {
                builder = SchemaBuilder.struct();
                for (Field field : source.fields()) {
                    if (!samples.oneIn(6)) {
                        builder.field(field.name(), changed(samples, field.schema()));
                    }
                }
                if (samples.oneIn(3)) {
                    builder.field("added", samples.oneIn(2) ? Schema.OPTIONAL_STRING_SCHEMA : SchemaBuilder.int32().defaultValue(9).build());
                }
                if (samples.oneIn(12)) {
                    builder.field("required", Schema.INT32_SCHEMA);
                }
            }
            default -> {
                int at = java.util.Arrays.asList(Samples.SCALARS).indexOf(type);
                boolean isWider = at < 5 && samples.oneIn(3) && source.name() == null;
                builder = new SchemaBuilder(isWider ? Samples.SCALARS[at + 1] : type);
            }
        }
        if (source.name() != null && !samples.oneIn(15)) {
            builder.name(source.name());
        }
        if (source.version() != null) {
            builder.version(source.version());
        }
        if (source.parameters() != null && !samples.oneIn(15)) {
            builder.parameters(source.parameters());
        }
        return samples.oneIn(3) || source.isOptional() ? builder.optional().build() : builder.build();
    }

    private static void project(Vectors vectors, Schema source, Object value, Schema target) throws IOException {
        ObjectNode line = Notation.JSON.objectNode();
        line.set("schema", Notation.schema(source));
        line.set("value", Notation.value(value));
        line.set("target", Notation.schema(target));
        try {
            line.set("projected", Notation.value(SchemaProjector.project(source, value, target)));
        } catch (RuntimeException error) {
            line.set("error", Notation.error(error));
        }
        vectors.add(line);
    }
}
